package stream

import (
	"slices"
	"testing"
)

func TestErasuresMissing(t *testing.T) {
	t.Parallel()
	e := &erasures{seqs: []uint64{1, 2, 5, 9}}
	tests := []struct {
		r    seqRange
		want []seqRange
	}{
		{seqRange{1, 2}, nil},
		{seqRange{5, 5}, nil},
		{seqRange{3, 4}, []seqRange{{3, 4}}},
		{seqRange{1, 9}, []seqRange{{3, 4}, {6, 8}}},
		{seqRange{2, 6}, []seqRange{{3, 4}, {6, 6}}},
		{seqRange{9, 12}, []seqRange{{10, 12}}},
		{seqRange{20, 1 << 62}, []seqRange{{20, 1 << 62}}},
	}
	for _, tt := range tests {
		if got := e.missing(tt.r); !slices.Equal(got, tt.want) {
			t.Errorf("missing(%v) = %v, want %v", tt.r, got, tt.want)
		}
	}
}
