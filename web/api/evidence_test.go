package api_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"lukechampine.com/blake3"

	"github.com/defarm-repo/defarm/web/servertest"
)

// What follows is a second implementation of contract 07 §6, written from the
// contract and fed with nothing but what the API answers, as a client would.

func hashText(parts ...string) string {
	sum := blake3.Sum256([]byte(strings.Join(parts, "|")))
	return hex.EncodeToString(sum[:])
}

// eventAnswer is an event as the API shows it.
type eventAnswer struct {
	ID       string         `json:"event_id"`
	Type     string         `json:"event_type"`
	At       int64          `json:"timestamp"`
	Source   string         `json:"source"`
	Metadata map[string]any `json:"metadata"`
}

// leaf hashes an event whose metadata holds texts only, which encoding/json
// writes with sorted keys.
func (e eventAnswer) leaf(t *testing.T) string {
	t.Helper()
	metadata, err := json.Marshal(e.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	return hashText(e.ID, e.Type, fmt.Sprintf("%d000000000", e.At), e.Source, string(metadata))
}

// naiveRoot builds the whole tree, level by level.
func naiveRoot(leaves []string) string {
	level := slices.Sorted(slices.Values(leaves))
	for first := true; first || len(level) > 1; first = false {
		var next []string
		for i := 0; i < len(level); i += 2 {
			right := hashText("EMPTY_NODE")
			if i+1 < len(level) {
				right = level[i+1]
			}
			next = append(next, hashText(level[i], right))
		}
		level = next
	}
	return level[0]
}

type proofAnswer struct {
	LeafHash  string `json:"leaf_hash"`
	LeafIndex int    `json:"leaf_index"`
	Siblings  []step `json:"siblings"`
	Root      string `json:"root"`
}

type step struct {
	Hash     string `json:"hash"`
	Position string `json:"position"`
}

// climb follows a proof to its root.
func (p proofAnswer) climb() string {
	h := p.LeafHash
	for _, s := range p.Siblings {
		if s.Position == "Left" {
			h = hashText(s.Hash, h)
		} else {
			h = hashText(h, s.Hash)
		}
	}
	return h
}

// Items of 1 to 9 events: leaves, roots and proofs are what the second
// implementation says, and no bit of a proof can be changed.
func TestEvidenceIsRecomputable(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	who := srv.User("maria")
	circuit := newCircuit(t, who, "")
	local := newLocal(t, who, sisbov("BR076123456789"), `{}`)
	var dfid string
	for events := 1; events <= 9; events++ {
		dfid = push(t, who, circuit, local, "").WantStatus(http.StatusOK).Field("dfid")
		srv.Advance(1500 * time.Millisecond)
		var list []eventAnswer
		who.Get(t, "/api/events/item/"+dfid).WantStatus(http.StatusOK).JSON(&list)
		leaves := make([]string, len(list))
		for i, e := range list {
			leaves[i] = e.leaf(t)
		}
		root := who.Get(t, "/api/merkle/items/"+dfid+"/merkle-root").WantStatus(http.StatusOK)
		if got, want := root.Field("data.merkle_root"), naiveRoot(leaves); got != want || len(leaves) != events {
			t.Fatalf("%d events: root %s, recomputed from %d answers %s", events, got, len(leaves), want)
		}
		for i, e := range list {
			var answer struct{ Proof proofAnswer }
			who.Get(t, "/api/merkle/items/"+dfid+"/merkle-proof/"+e.ID).WantStatus(http.StatusOK).JSON(&answer)
			p := answer.Proof
			if p.LeafHash != leaves[i] || p.climb() != root.Field("data.merkle_root") || p.Root != root.Field("data.merkle_root") {
				t.Errorf("%d events, proof of event %d: %+v does not lead to the root", events, i, p)
			}
			if events == 1 || (events == 5 && i == 2) {
				wantEveryChangeRefused(t, who, p)
			}
		}
	}
	who.Get(t, "/api/merkle/items/"+dfid+"/merkle-proof/00000000-0000-4000-8000-000000000000").WantStatus(http.StatusNotFound).WantGolden("merkle/unknown_event")
	who.Get(t, "/api/merkle/items/"+dfid+"/merkle-proof/7").WantStatus(http.StatusBadRequest).WantGolden("merkle/bad_event_id")
	who.Get(t, "/api/merkle/items/DFID-20250101-000009-0000/merkle-root").WantStatus(http.StatusNotFound).WantGolden("merkle/unknown_item")
}

// wantEveryChangeRefused verifies the proof, and then each with one hexadecimal
// digit, one position or the index changed.
func wantEveryChangeRefused(t *testing.T, who *servertest.Client, p proofAnswer) {
	t.Helper()
	check := func(p proofAnswer, root string, want bool, what string) {
		t.Helper()
		body := map[string]any{"proof": p, "expected_root": root}
		var verdict struct{ Valid bool }
		who.Post(t, "/api/merkle/verify-proof", body).WantStatus(http.StatusOK).JSON(&verdict)
		if verdict.Valid != want {
			t.Errorf("%s: got valid %t, want %t", what, verdict.Valid, want)
		}
	}
	flip := func(hash string, at int) string {
		digit := byte('0')
		if hash[at] == '0' {
			digit = '1'
		}
		return hash[:at] + string(digit) + hash[at+1:]
	}
	check(p, p.Root, true, "the proof")
	for at := range 64 {
		changed := p
		changed.LeafHash = flip(p.LeafHash, at)
		check(changed, p.Root, false, fmt.Sprintf("leaf digit %d", at))
		check(p, flip(p.Root, at), false, fmt.Sprintf("root digit %d", at))
	}
	for i := range p.Siblings {
		changed := p
		changed.Siblings = slices.Clone(p.Siblings)
		changed.Siblings[i].Hash = flip(p.Siblings[i].Hash, 7*i)
		check(changed, p.Root, false, fmt.Sprintf("sibling %d", i))
		changed.Siblings = slices.Clone(p.Siblings)
		changed.Siblings[i].Position = map[string]string{"Left": "Right", "Right": "Left"}[p.Siblings[i].Position]
		check(changed, p.Root, false, fmt.Sprintf("position %d", i))
	}
	for _, index := range []int{p.LeafIndex + 1, p.LeafIndex ^ 2, 1 << 40} {
		changed := p
		changed.LeafIndex = index
		check(changed, p.Root, false, fmt.Sprintf("index %d", index))
	}
	check(proofAnswer{LeafHash: p.Root, Siblings: []step{}}, p.Root, false, "the root as its own leaf")
}

// ipfsCID is the CID that `ipfs add` gives to a file of one block: the hash of a
// dag-pb node that holds a UnixFS file, in base 58.
func ipfsCID(data []byte) string {
	field := func(tag byte, body []byte) []byte {
		return append(binary.AppendUvarint([]byte{tag}, uint64(len(body))), body...)
	}
	file := append([]byte{0x08, 2}, field(0x12, data)...)
	file = binary.AppendUvarint(append(file, 0x18), uint64(len(data)))
	sum := sha256.Sum256(field(0x0a, file))
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	n, base, digit := new(big.Int).SetBytes(append([]byte{0x12, 0x20}, sum[:]...)), big.NewInt(58), new(big.Int)
	var out []byte
	for n.Sign() > 0 {
		n.DivMod(n, base, digit)
		out = append(out, alphabet[digit.Int64()])
	}
	slices.Reverse(out)
	return string(out)
}

// The document is served under the CID of its very bytes, to those who may read
// the item, and to everybody once it is published.
func TestDocuments(t *testing.T) {
	t.Parallel()
	srv := servertest.Start(t, servertest.At(chainStart))
	owner, stranger := srv.User("maria"), srv.User("jose")
	const ipfs = `,"adapter_config":{"adapter_type":"ipfs-ipfs"}`
	for _, tc := range []struct {
		name, circuit, data string
		everybody           bool
	}{
		{"private", ipfs, `{"note":"small"}`, false},
		{"published", ipfs + `,"public_settings":{"auto_publish_pushed_items":true}`, `{"note":"açaí"}`, true},
		{"protected", ipfs + `,"public_settings":{"access_mode":"protected","access_password":"x","auto_publish_pushed_items":true}`, `{}`, false},
		{"large", ipfs, `{"note":"` + strings.Repeat("0123456789abcdef", 40_000) + `"}`, false},
	} {
		circuit := newCircuit(t, owner, tc.circuit)
		local := newLocal(t, owner, sisbov(fmt.Sprintf("BR%012d", len(tc.data))), tc.data)
		dfid := push(t, owner, circuit, local, "").WantStatus(http.StatusOK).Field("dfid")
		cid := owner.Get(t, "/api/items/"+dfid+"/storage-history").Field("records.0.ipfs_cid")
		doc := owner.Get(t, "/ipfs/"+cid).WantStatus(http.StatusOK)
		if got := doc.Field("dfid"); got != dfid {
			t.Errorf("%s: document of %s, want %s", tc.name, got, dfid)
		}
		// A document of more than 256 KiB is a tree of blocks, whose CID is
		// checked with the encoder.
		if tc.name != "large" && ipfsCID(doc.Body) != cid {
			t.Errorf("%s: CID %s, of these bytes it is %s", tc.name, cid, ipfsCID(doc.Body))
		}
		want := http.StatusNotFound
		if tc.everybody {
			want = http.StatusOK
		}
		for name, c := range map[string]*servertest.Client{"stranger": stranger, "nobody": srv.Anonymous()} {
			res := c.Get(t, "/ipfs/"+cid)
			if res.Status != want || (want == http.StatusOK && string(res.Body) != string(doc.Body)) {
				t.Errorf("%s: %s got %d, want %d", tc.name, name, res.Status, want)
			}
			c.Get(t, "/api/public/merkle/items/"+dfid+"/merkle-root").WantStatus(want)
			c.Get(t, "/api/public/storage-history/"+dfid).WantStatus(http.StatusOK)
		}
		srv.Anonymous().WithToken("x.y.z").Get(t, "/ipfs/"+cid).WantStatus(http.StatusUnauthorized)
	}
	owner.Get(t, "/ipfs/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG").WantStatus(http.StatusNotFound).WantGolden("storage/no_document")
}
