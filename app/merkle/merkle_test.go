package merkle_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"lukechampine.com/blake3"
	"pgregory.net/rapid"

	"github.com/defarm-repo/defarm/app/merkle"
)

// The leaves and roots of contract 07 §6.5.
const (
	e1 = "ee038e2de4110c7e07bd63361eadc4be9ce187d800a8588cfd2ec04d823d408f"
	e2 = "e16360eb1972f5e427ff2d90827acc50e50bb7b2ad1accd1eb90b26a557ba266"
	e3 = "73302251f09b2243e416b7360025c6b942e2bcb5b5f4fe71963671ef02e08a58"
	e4 = "3808b781f9d7436688b86c08b9c0da32a0a53a55ca25720ce2243362191791d4"

	itemA = "dd3c33ce8c588b83512bf064669d1aac8f84a5d37c59375ec4509e779d389b51"
	itemB = "1da147fb8739f51c180759fabbcfd70ddddba1e37cabc0645b4d3ee1b9271a3a"
	itemD = "ae61a73de1e17ca2ff331bdc7e8f1d23c4f882586ab0b543bb0de39b5a80f702"

	rootE123  = "d5f2f319e289c25a546406e75a897a995fd656d67c339a382f609ee16171f21f"
	rootE1234 = "c2d0f57ead396b5c8c01b4216bf3be5098f1043cc1e61ab02b2216f93f091494"
)

func TestNode(t *testing.T) {
	t.Parallel()
	if got, want := merkle.Node("a", "b"), "7e94276b24b96c568ece2f159386738e646c6107b45b26fd0396b5f7f9d49c49"; got != want {
		t.Errorf("Node(a, b) = %s, want %s", got, want)
	}
	sum := blake3.Sum256([]byte("EMPTY_NODE"))
	if got := hex.EncodeToString(sum[:]); got != merkle.Empty {
		t.Errorf("BLAKE3(EMPTY_NODE) = %s, Empty = %s", got, merkle.Empty)
	}
}

func TestRootVectors(t *testing.T) {
	t.Parallel()
	literal := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf("hash%d", i+1)
		}
		return out
	}
	tests := []struct {
		name   string
		leaves []string
		want   string
	}{
		{"E1", []string{e1}, "5c2624dc8c48415f260da3ec403ee3863ed9bc3cad7f9ac0fb342f83b3a43814"},
		{"item A", []string{e1, e2}, itemA},
		{"E1 to E3", []string{e1, e2, e3}, rootE123},
		{"E1 to E4", []string{e1, e2, e3, e4}, rootE1234},
		{"E1 to E4, other order", []string{e3, e1, e4, e2}, rootE1234},
		{"item B", []string{e3}, itemB},
		{"item D", []string{e4}, itemD},
		{"circuit A", []string{itemA}, "db259b0f0e04faee5c404b77b3c7fc9a36fc9719f4447c81243945aa9041ec2b"},
		{"circuit A B", []string{itemA, itemB}, "9dcf96384c7bb3899efaf57ce0ca84036b61f4b91062176f39b848cb9fad62a3"},
		{"circuit A B D", []string{itemA, itemB, itemD}, "6973744e0b212f6f8a3b6c6c3d2552f975f4d1b573a86e0950c20d50d25530da"},
		{"five literals", literal(5), "e6baca309920a5f81f7233c574143f12c5f4a1f5b5fb837c75a93b7ed8b4d4f0"},
		{"seven literals", literal(7), "fa2f99871e6dbe4f1aad8194bccd102ec7e8bb5262172c665c4f8b43c832a34b"},
		{"nine literals", literal(9), "04adb84d04da5a85314f5b4984496062096de0c5a40dd84812605d618b8aa49d"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(tc.leaves)
			got, ok := merkle.Root(tc.leaves)
			if !ok || got != tc.want {
				t.Errorf("Root = %s, %v; want %s", got, ok, tc.want)
			}
			if !slices.Equal(before, tc.leaves) {
				t.Errorf("the leaves were reordered to %v", tc.leaves)
			}
		})
	}
	if got, ok := merkle.Root(nil); ok || got != "" {
		t.Errorf("Root of nothing = %q, %v; want none", got, ok)
	}
}

func TestProofVectors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		leaves []string
		leaf   string
		want   merkle.Proof
	}{
		{"E1 of three, padded", []string{e1, e2, e3}, e1, merkle.Proof{LeafHash: e1, LeafIndex: 2, Siblings: []merkle.Step{
			{Hash: merkle.Empty, Position: "Right"},
			{Hash: "c8ceb8407b0604e8b4c4f81ce84188015e5cccb920c34daaa5a58d1421bfd553", Position: "Left"},
		}, Root: rootE123}},
		{"E2 of four", []string{e1, e2, e3, e4}, e2, merkle.Proof{LeafHash: e2, LeafIndex: 2, Siblings: []merkle.Step{
			{Hash: e1, Position: "Right"},
			{Hash: "2e54cfeff27f3027d16ee3b0d20addc59b609702fc3e6a68de7b720824fa6faf", Position: "Left"},
		}, Root: rootE1234}},
		{"the only leaf", []string{e3}, e3, merkle.Proof{LeafHash: e3, Siblings: []merkle.Step{{Hash: merkle.Empty, Position: "Right"}}, Root: itemB}},
		{"first of two equal", []string{e1, e1}, e1, merkle.Proof{LeafHash: e1, Siblings: []merkle.Step{{Hash: e1, Position: "Right"}}, Root: merkle.Node(e1, e1)}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, ok := merkle.Prove(tc.leaves, tc.leaf)
			if diff := cmp.Diff(tc.want, got); diff != "" || !ok {
				t.Errorf("Prove: %v (-want +got):\n%s", ok, diff)
			}
			if !merkle.Verify(got.LeafHash, got.Siblings, got.Root) || !merkle.VerifyAt(got.LeafHash, got.LeafIndex, got.Siblings, got.Root) {
				t.Errorf("the proof does not verify")
			}
		})
	}
	for _, leaves := range [][]string{nil, {e1}, {e1, e2, e3}} {
		if p, ok := merkle.Prove(leaves, e4); ok {
			t.Errorf("proof of a leaf that is none of %v: %+v", leaves, p)
		}
	}
}

func TestProofJSON(t *testing.T) {
	t.Parallel()
	p, _ := merkle.Prove([]string{e1}, e1)
	got, err := json.Marshal(p)
	want := `{"leaf_hash":"` + e1 + `","leaf_index":0,"siblings":[{"hash":"` + merkle.Empty + `","position":"Right"}],"root":"` + p.Root + `"}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	p, _ := merkle.Prove([]string{e1, e2, e3, e4}, e2) // index 2
	swapped := []merkle.Step{p.Siblings[1], p.Siblings[0]}
	lower := []merkle.Step{{Hash: p.Siblings[0].Hash, Position: "right"}, p.Siblings[1]}
	tests := []struct {
		name     string
		leaf     string
		index    int
		siblings []merkle.Step
		root     string
		plain    bool // what Verify says; VerifyAt refuses all
	}{
		{"other root", p.LeafHash, 2, p.Siblings, itemA, false},
		{"other leaf", e1, 2, p.Siblings, p.Root, false},
		{"upper-case root", p.LeafHash, 2, p.Siblings, strings.ToUpper(p.Root), false},
		{"siblings swapped", p.LeafHash, 2, swapped, p.Root, false},
		{"sibling missing", p.LeafHash, 2, p.Siblings[:1], p.Root, false},
		{"position misspelled", p.LeafHash, 2, lower, p.Root, false},
		{"other index", p.LeafHash, 3, p.Siblings, p.Root, true},
		{"index beyond the tree", p.LeafHash, 6, p.Siblings, p.Root, true},
		{"negative index", p.LeafHash, -2, p.Siblings, p.Root, true},
		{"root as its own leaf", p.Root, 0, nil, p.Root, true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := merkle.Verify(tc.leaf, tc.siblings, tc.root); got != tc.plain {
				t.Errorf("Verify = %v, want %v", got, tc.plain)
			}
			if merkle.VerifyAt(tc.leaf, tc.index, tc.siblings, tc.root) {
				t.Error("VerifyAt accepted it")
			}
		})
	}
}

// second computes the tree in another way: recursively over the padded range
// that each node covers, with a streaming hash.
func second(sorted []string, level, at int) string {
	if level == 0 {
		if at < len(sorted) {
			return sorted[at]
		}
		return ""
	}
	l, r := second(sorted, level-1, 2*at), second(sorted, level-1, 2*at+1)
	if l == "" {
		return ""
	}
	if r == "" {
		r = "239b969c5e5d95683552cc30988f2468bb38266445c2369d2c9449fece14d377"
	}
	h := blake3.New(32, nil)
	fmt.Fprintf(h, "%s|%s", l, r)
	return fmt.Sprintf("%x", h.Sum(nil))
}

func leavesOf(n int) []string {
	leaves := make([]string, n)
	for i := range leaves {
		sum := blake3.Sum256(fmt.Appendf(nil, "%d of %d", i, n))
		leaves[i] = hex.EncodeToString(sum[:])
	}
	return leaves
}

// TestEverySize takes every tree up to 300 leaves. It proves every leaf up to
// 64 and around the sizes where a level is added, and the outermost and middle
// leaves of the others.
func TestEverySize(t *testing.T) {
	t.Parallel()
	for n := range 301 {
		leaves := leavesOf(n)
		root, ok := merkle.Root(leaves)
		if ok != (n > 0) {
			t.Fatalf("%d leaves: root %q, %v", n, root, ok)
		}
		if n == 0 {
			continue
		}
		height := max(1, bits.Len(uint(n-1)))
		sorted := slices.Sorted(slices.Values(leaves))
		if want := second(sorted, height, 0); root != want {
			t.Fatalf("%d leaves: root %s, want %s", n, root, want)
		}
		every := n <= 64 || n == 300 || height != bits.Len(uint(n)) || height != bits.Len(uint(n-2))
		for i, leaf := range sorted {
			if !every && i > 1 && i < n-2 && i != n/2 {
				continue
			}
			p, ok := merkle.Prove(leaves, leaf)
			if !ok || p.Root != root || p.LeafIndex != i || p.LeafHash != leaf || len(p.Siblings) != height {
				t.Fatalf("%d leaves, leaf %d: proof %+v, %v", n, i, p, ok)
			}
			if !merkle.Verify(leaf, p.Siblings, root) || !merkle.VerifyAt(leaf, i, p.Siblings, root) {
				t.Fatalf("%d leaves, leaf %d: the proof does not verify", n, i)
			}
			if merkle.VerifyAt(leaf, i^1, p.Siblings, root) {
				t.Fatalf("%d leaves, leaf %d: verifies at another index", n, i)
			}
		}
	}
}

// flip changes one bit of a hash written in hexadecimal.
func flip(h string, bit int) string {
	raw, err := hex.DecodeString(h)
	if err != nil {
		panic(err)
	}
	raw[bit/8] ^= 1 << (bit % 8)
	return hex.EncodeToString(raw)
}

func TestEveryOneBitChangeIsRefused(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 7, 8} {
		leaves := leavesOf(n)
		for _, leaf := range leaves {
			p, _ := merkle.Prove(leaves, leaf)
			for bit := range 256 {
				if merkle.Verify(flip(leaf, bit), p.Siblings, p.Root) || merkle.Verify(leaf, p.Siblings, flip(p.Root, bit)) {
					t.Fatalf("%d leaves: a change of bit %d verifies", n, bit)
				}
				for i := range p.Siblings {
					changed := slices.Clone(p.Siblings)
					changed[i].Hash = flip(changed[i].Hash, bit)
					if merkle.Verify(leaf, changed, p.Root) {
						t.Fatalf("%d leaves: a change of bit %d of sibling %d verifies", n, bit, i)
					}
				}
			}
		}
	}
}

func TestProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		leaves := leavesOf(rapid.IntRange(1, 300).Draw(t, "n"))
		for range rapid.IntRange(0, 3).Draw(t, "duplicates") {
			leaves = append(leaves, rapid.SampledFrom(leaves).Draw(t, "duplicate"))
		}
		root, _ := merkle.Root(leaves)
		shuffled := rapid.Permutation(leaves).Draw(t, "order")
		if again, _ := merkle.Root(shuffled); again != root {
			t.Fatalf("the order of the leaves matters: %s and %s", root, again)
		}
		leaf := rapid.SampledFrom(leaves).Draw(t, "leaf")
		p, ok := merkle.Prove(shuffled, leaf)
		if !ok || !merkle.Verify(leaf, p.Siblings, root) {
			t.Fatalf("leaf %s: proof %+v, %v does not verify", leaf, p, ok)
		}
		bit := rapid.IntRange(0, 255).Draw(t, "bit")
		at := rapid.IntRange(0, len(p.Siblings)-1).Draw(t, "sibling")
		changed := slices.Clone(p.Siblings)
		changed[at].Hash = flip(changed[at].Hash, bit)
		if merkle.Verify(leaf, changed, root) || merkle.Verify(flip(leaf, bit), p.Siblings, root) || merkle.Verify(leaf, p.Siblings, flip(root, bit)) {
			t.Fatal("a change of one bit verifies")
		}
		fewer, _ := merkle.Root(leaves[1:])
		if fewer == root {
			t.Fatal("dropping a leaf kept the root")
		}
	})
}

func FuzzVerify(f *testing.F) {
	p, _ := merkle.Prove([]string{e1, e2, e3}, e1)
	f.Add(p.LeafHash, p.Siblings[0].Hash, "Right", p.Siblings[1].Hash, "Left", p.Root)
	f.Add("", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, leaf, s0, p0, s1, p1, root string) {
		steps := []merkle.Step{{Hash: s0, Position: p0}, {Hash: s1, Position: p1}}
		want := leaf
		for _, s := range steps {
			pair := want + "|" + s.Hash
			if s.Position == "Left" {
				pair = s.Hash + "|" + want
			} else if s.Position != "Right" {
				if merkle.Verify(leaf, steps, root) {
					t.Fatal("an unknown position verifies")
				}
				return
			}
			sum := blake3.Sum256([]byte(pair))
			want = hex.EncodeToString(sum[:])
		}
		if got := merkle.Verify(leaf, steps, root); got != (want == root) {
			t.Fatalf("Verify = %v, want %v", got, want == root)
		}
	})
}

func BenchmarkRoot(b *testing.B) {
	for _, n := range []int{1, 4, 1000} {
		leaves := leavesOf(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				merkle.Root(leaves)
			}
		})
	}
}
