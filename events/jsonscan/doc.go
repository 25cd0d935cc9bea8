// Package jsonscan reads one JSON object (RFC 8259) strictly and without
// allocating, and appends JSON strings.
//
// It exists because encoding/json is lenient where the wire contract is not: it
// takes the last of two equal members, replaces invalid UTF-8 and lone
// surrogates, and matches member names without regard to case. A [Scanner]
// refuses all of these, and everything else that json.Valid refuses:
//
//	var s jsonscan.Scanner
//	s.Reset(data)
//	for s.Next() {
//		switch string(s.Key()) {
//		case "seq":
//			seq, ok = s.Value().Uint64()
//		}
//	}
//	err := s.Err()
//
// The input must stay unchanged while a Scanner, a key or a [Value] of it is in
// use: they point into it. Nesting is bounded by [MaxDepth] and the number of
// members of one object by [MaxMembers], so that hostile input costs time
// proportional to its length. Scanners are not safe for concurrent use.
package jsonscan
