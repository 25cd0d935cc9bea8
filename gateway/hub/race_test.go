//go:build race

package hub

// forgetfulPools is what sync.Pool adds to the allocations of a frame, since the
// race detector makes it forget at random.
const forgetfulPools = 10
