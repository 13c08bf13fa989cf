package merkle

import "slices"

// Step is one sibling on the way from a leaf to the root.
type Step struct {
	Hash     string `json:"hash"`
	Position string `json:"position"` // Left or Right: the side the sibling stands on
}

// Proof shows that a leaf belongs to the tree with that root. LeafIndex counts
// from 0 in the sorted leaves; Siblings start beside the leaf.
type Proof struct {
	LeafHash  string `json:"leaf_hash"`
	LeafIndex int    `json:"leaf_index"`
	Siblings  []Step `json:"siblings"`
	Root      string `json:"root"`
}

// Prove returns the proof of leaf in the tree over leaves, given in any order,
// and false when leaf is not one of them. Of equal leaves the first is proven.
// The proof of an only leaf has one sibling, Empty: without it, as the
// original sent it, it would not verify.
func Prove(leaves []string, leaf string) (Proof, bool) {
	sorted := ordered(leaves)
	at, found := slices.BinarySearch(sorted, leaf)
	if !found {
		return Proof{}, false
	}
	root, steps := climb(sorted, at)
	return Proof{LeafHash: leaf, LeafIndex: at, Siblings: steps, Root: root}, true
}

// Verify reports whether leafHash and the siblings lead to expectedRoot. Hashes
// are compared as text, case included. A position other than Left and Right
// verifies nothing.
func Verify(leafHash string, siblings []Step, expectedRoot string) bool {
	h := leafHash
	for _, s := range siblings {
		switch s.Position {
		case Left:
			h = Node(s.Hash, h)
		case Right:
			h = Node(h, s.Hash)
		default:
			return false
		}
	}
	return h == expectedRoot
}

// VerifyAt is Verify for a leaf whose index in the sorted leaves is known. It
// also refuses a proof whose positions contradict the index, and one that
// presents the root as its own leaf (contract 07 §11, 9).
func VerifyAt(leafHash string, leafIndex int, siblings []Step, expectedRoot string) bool {
	if leafIndex < 0 || len(siblings) == 0 || leafHash == expectedRoot {
		return false
	}
	for _, s := range siblings {
		if (leafIndex&1 == 1) != (s.Position == Left) {
			return false
		}
		leafIndex >>= 1
	}
	return leafIndex == 0 && Verify(leafHash, siblings, expectedRoot)
}
