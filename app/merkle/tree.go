package merkle

import (
	"encoding/hex"
	"slices"

	"lukechampine.com/blake3"
)

// Empty stands beside a node that has no neighbour: BLAKE3("EMPTY_NODE").
const Empty = "239b969c5e5d95683552cc30988f2468bb38266445c2369d2c9449fece14d377"

// Positions of a sibling, as proofs write them.
const (
	Left  = "Left"
	Right = "Right"
)

// hashLen is the length of a hash as text.
const hashLen = 64

// Node returns the parent of two nodes: BLAKE3(l | r), joined by a bar.
func Node(l, r string) string {
	var h [hashLen]byte
	node(h[:], make([]byte, 0, len(l)+1+len(r)), l, r)
	return string(h[:])
}

// node writes the parent of two nodes to dst, which has hashLen bytes. l and r
// may lie in dst, not in room, which spares an allocation per node.
func node[T string | []byte](dst, room []byte, l, r T) {
	b := append(room[:0], l...)
	b = append(b, '|')
	b = append(b, r...)
	sum := blake3.Sum256(b)
	hex.Encode(dst, sum[:])
}

// Root returns the root over leaves, in any order, and false when there are
// none. leaves is left as it was.
func Root(leaves []string) (string, bool) {
	if len(leaves) == 0 {
		return "", false
	}
	root, _ := climb(ordered(leaves), -1)
	return root, true
}

func ordered(leaves []string) []string {
	if slices.IsSorted(leaves) {
		return leaves
	}
	leaves = slices.Clone(leaves)
	slices.Sort(leaves)
	return leaves
}

// climb hashes the tree over sorted leaves level by level and returns its
// root, with the siblings on the way up from leaf at (none when negative).
func climb(sorted []string, at int) (string, []Step) {
	var steps []Step
	if at >= 0 {
		steps = append(steps, sibling(len(sorted), at, func(i int) string { return sorted[i] }))
	}
	n := (len(sorted) + 1) / 2
	level := make([]byte, n*hashLen)
	room := make([]byte, 0, 2*hashLen+1)
	for i := range n {
		r := Empty
		if 2*i+1 < len(sorted) {
			r = sorted[2*i+1]
		}
		node(hashAt(level, i), room, sorted[2*i], r)
	}
	empty := []byte(Empty)
	for ; n > 1; n = (n + 1) / 2 {
		if at >= 0 {
			at /= 2
			steps = append(steps, sibling(n, at, func(i int) string { return string(hashAt(level, i)) }))
		}
		for i := range (n + 1) / 2 {
			r := empty
			if 2*i+1 < n {
				r = hashAt(level, 2*i+1)
			}
			node(hashAt(level, i), room, hashAt(level, 2*i), r)
		}
	}
	return string(hashAt(level, 0)), steps
}

// sibling is the step beside node at of a level of n nodes.
func sibling(n, at int, hash func(int) string) Step {
	switch s := at ^ 1; {
	case s >= n:
		return Step{Hash: Empty, Position: Right}
	case s < at:
		return Step{Hash: hash(s), Position: Left}
	default:
		return Step{Hash: hash(s), Position: Right}
	}
}

func hashAt(level []byte, i int) []byte { return level[i*hashLen : (i+1)*hashLen] }
