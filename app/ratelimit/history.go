package ratelimit

import "slices"

// exactUses is how many uses of a key are kept one by one in each window.
const exactUses = 32

// history is one key's uses, in order of time. The buckets beyond exactUses each
// begin a span or more after the one before, so with n spans to the window it
// has at most exactUses+n+2 of them.
type history struct {
	total   int64
	buckets []bucket
}

// bucket is the uses of one span: its first and last instant in nanoseconds
// since 1970, and how many there were.
type bucket struct{ first, last, n int64 }

// expire drops the buckets whose last use was before from.
func (h *history) expire(from int64) {
	gone := 0
	for gone < len(h.buckets) && h.buckets[gone].last < from {
		h.total -= h.buckets[gone].n
		gone++
	}
	if gone > 0 {
		// Moved down, so that the array is used again instead of growing.
		h.buckets = h.buckets[:copy(h.buckets, h.buckets[gone:])]
	}
}

// add counts one use at t. A clock that went back adds to the newest bucket.
func (h *history) add(t, span int64) {
	h.total++
	n := len(h.buckets)
	if n < exactUses {
		span = 1 // of the same instant
	}
	if n > 0 && t < h.buckets[n-1].first+span {
		b := &h.buckets[n-1]
		b.n++
		b.last = max(b.last, t)
		return
	}
	h.buckets = append(h.buckets, bucket{first: t, last: t, n: 1})
}

// remove takes back a use that was added at t.
func (h *history) remove(t int64) {
	for i := len(h.buckets) - 1; i >= 0; i-- {
		b := &h.buckets[i]
		if i > 0 && b.first > t {
			continue
		}
		h.total--
		if b.n--; b.n == 0 {
			h.buckets = slices.Delete(h.buckets, i, i+1)
		}
		return
	}
}

// newest is the instant of the last use, or 0.
func (h *history) newest() int64 {
	if len(h.buckets) == 0 {
		return 0
	}
	return h.buckets[len(h.buckets)-1].last
}
