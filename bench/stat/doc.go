// Package stat has the statistics of the benchmarks: a histogram of durations
// with a bounded error and no allocation per value, and medians over
// repetitions.
package stat
