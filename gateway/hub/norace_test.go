//go:build !race

package hub

const forgetfulPools = 0
