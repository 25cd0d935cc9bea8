// Package config is the one source of settings: defaults, a YAML file,
// environment variables and flags, in that order, the later one winning.
//
// A setting has one key, such as gateway.max-frame-bytes. In YAML the dots are
// nesting, in the environment the key is PARTYLINE_GATEWAY_MAX_FRAME_BYTES, as
// a flag it is --gateway-max-frame-bytes. [Load] refuses unknown keys and
// reports every problem at once. Only cmd imports this package: it maps
// settings onto each package's own Config.
package config
