//go:build linux && (amd64 || arm64)

package ws

import "sync/atomic"

const (
	pageSize = 1024
	pages    = 4096 // descriptors up to 4 million
)

type page [pageSize]atomic.Pointer[econn]

// table finds connections by descriptor. It is read without locks; the owner of
// a descriptor alone writes its place.
type table struct{ pages [pages]atomic.Pointer[page] }

func (t *table) get(fd int32) *econn {
	if p := t.pages[fd/pageSize].Load(); p != nil {
		return p[fd%pageSize].Load()
	}
	return nil
}

// put reports whether the descriptor has a place.
func (t *table) put(fd int32, c *econn) bool {
	if fd < 0 || fd >= pages*pageSize {
		return false
	}
	at := &t.pages[fd/pageSize]
	p := at.Load()
	if p == nil {
		p = new(page)
		if !at.CompareAndSwap(nil, p) {
			p = at.Load()
		}
	}
	p[fd%pageSize].Store(c)
	return true
}

func (t *table) remove(fd int32) { t.put(fd, nil) }

// each shows all connections; those that come or go meanwhile may be left out.
func (t *table) each(show func(*econn)) {
	for i := range t.pages {
		p := t.pages[i].Load()
		if p == nil {
			continue
		}
		for j := range p {
			if c := p[j].Load(); c != nil {
				show(c)
			}
		}
	}
}
