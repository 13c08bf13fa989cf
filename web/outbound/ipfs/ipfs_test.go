package ipfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/outbound/ipfs"
)

// content is what the vectors were made of.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*31 + i>>8 + i>>18*7)
	}
	return b
}

const (
	helloCID = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o"
	emptyCID = "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"
)

// vectors holds CIDs of content(n), made by the importer of
// github.com/ipfs/boxo v0.43.0 (balanced layout, chunks of 256 KiB, 174 links,
// no raw leaves), which is what `ipfs add --cid-version=0` runs.
var vectors = []struct {
	size   int
	cid    string
	blocks int
}{
	{1, "QmS9JArPwa55ePgDnyg6TzX24mYTS1b1vLqWNebyVotKxQ", 1},
	{127, "QmXfGtB9wurmNSZiP7uvGx2E1mD1kGnH2HbdS9PkgRnADn", 1},
	{128, "QmYtwgUc91DMquZqsTzgN1ZrPyxEKECBDWwNFMBG9jUg2L", 1},
	{1024, "QmTz8WX58BcNK3AbgRmYyLCzqF4sKkkTYbv95JPjexuSAR", 1},
	{ipfs.ChunkSize - 1, "QmRNtMNpkwzgrJNpbfmppXkJc8bEBeygcaAEooMQNZUEBR", 1},
	{ipfs.ChunkSize, "QmRGtaHK8V8JK23yDT1tfoh2eRY9U5ix6zbiNHc9732JMo", 1},
	{ipfs.ChunkSize + 1, "QmeXeDywJviPnpPvC5UHjhjzERR72LoXzND9By4sZ7nJSC", 3},
	{2 * ipfs.ChunkSize, "QmWCpaMbDe2ATDAZ1RAFDknBbE47bEA6ygA8XW6pxGo8zB", 3},
	{2*ipfs.ChunkSize + 1, "QmSLtTPu2R1NfBEWyYmzHvbD9gKNrkTrKUvRNCppgTEgan", 4},
	{1 << 20, "QmbQseKZ5YrCtKuvLtDHTwMjnGoDyWqS6BGm2xREnX1HX2", 5},
	{ipfs.ChunkSize * ipfs.MaxLinks, "QmTfen1yWhwC3eBzUtfK6Nfv1DWimP4NsE3dXKBYET6d7t", 175},
	{ipfs.ChunkSize*ipfs.MaxLinks + 1, "QmZdiv7Zi542E5ZV4oWZJ5g8jfrAjAPD2zzfK2AnAWfHPB", 178},
}

func encode(t testing.TB, doc []byte) app.Document {
	t.Helper()
	d, err := ipfs.Encoder{}.Encode(doc)
	if err != nil {
		t.Fatalf("encode %d bytes: %v", len(doc), err)
	}
	return d
}

// from serves a document's blocks.
func from(d app.Document) func(string) ([]byte, error) {
	m := make(map[string][]byte, len(d.Blocks))
	for _, b := range d.Blocks {
		m[b.CID] = b.Data
	}
	return func(name string) ([]byte, error) {
		b, ok := m[name]
		if !ok {
			return nil, errMissing
		}
		return b, nil
	}
}

var errMissing = errors.New("no such block")

func TestKnownDocuments(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		"hello world\n": helloCID, "": emptyCID, string(make([]byte, 1<<20)): "QmVkbauSDEaMP4Tkq6Epm9uW75mWm136n81YH8fGtfwdHU",
	} {
		d := encode(t, []byte(doc))
		if d.Root != want {
			t.Errorf("%d bytes: root %s, want %s", len(doc), d.Root, want)
		}
		back, err := ipfs.Encoder{}.Decode(want, from(d))
		if err != nil || string(back) != doc {
			t.Errorf("%d bytes: read back %d bytes, %v", len(doc), len(back), err)
		}
	}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, tc := range vectors {
		t.Run(fmt.Sprint(tc.size), func(t *testing.T) {
			t.Parallel()
			doc := content(tc.size)
			d := encode(t, doc)
			if d.Root != tc.cid || len(d.Blocks) != tc.blocks {
				t.Errorf("root %s in %d blocks, want %s in %d", d.Root, len(d.Blocks), tc.cid, tc.blocks)
			}
			if last := d.Blocks[len(d.Blocks)-1]; last.CID != d.Root {
				t.Errorf("the last block is %s, not the root", last.CID)
			}
			back, err := ipfs.Encoder{}.Decode(tc.cid, from(d))
			if err != nil || !bytes.Equal(back, doc) {
				t.Errorf("read back %d bytes, %v", len(back), err)
			}
		})
	}
}

func TestEncodeKeepsNothingOfTheInput(t *testing.T) {
	t.Parallel()
	doc := []byte("hello world\n")
	d := encode(t, doc)
	doc[0] = 'x'
	if back, err := (ipfs.Encoder{}).Decode(helloCID, from(d)); err != nil || string(back) != "hello world\n" {
		t.Errorf("after the input changed: %q, %v", back, err)
	}
}

func TestLargestDocument(t *testing.T) {
	t.Parallel()
	doc := make([]byte, ipfs.MaxDocument+1)
	d := encode(t, doc[:ipfs.MaxDocument])
	if len(d.Blocks) != 4 { // one leaf of zeros, two kinds of nodes, the root
		t.Errorf("%d blocks, want 4", len(d.Blocks))
	}
	d, err := ipfs.Encoder{}.Encode(doc)
	if app.CodeOf(err) != app.CodeTooLarge || d.Root != "" || d.Blocks != nil {
		t.Errorf("one byte more: %v, %v; want %s", d.Root, err, app.CodeTooLarge)
	}
}

func TestDecodeSpellings(t *testing.T) {
	t.Parallel()
	d := encode(t, []byte("hello world\n"))
	c := cid.MustParse(helloCID)
	v1 := cid.NewCidV1(cid.DagProtobuf, c.Hash()).String()
	back, err := ipfs.Encoder{}.Decode(v1, from(d))
	if err != nil || string(back) != "hello world\n" {
		t.Errorf("%s: %q, %v", v1, back, err)
	}
	never := func(string) ([]byte, error) {
		t.Error("a block was asked for")
		return nil, errMissing
	}
	for name, root := range map[string]string{
		"empty":              "",
		"no CID":             "hello",
		"cut":                helloCID[:45],
		"longer":             helloCID + "1",
		"wrong letter":       strings.Replace(helloCID, "T", "0", 1),
		"path":               "/ipfs/" + helloCID + "/x",
		"raw codec":          cid.NewCidV1(cid.Raw, c.Hash()).String(),
		"identity multihash": "bafyaafikcmeaeeqnnbswy3dpeb3w64tmmqfbqda",
		"a megabyte":         strings.Repeat("Q", 1<<20),
	} {
		if back, err := (ipfs.Encoder{}).Decode(root, never); app.ReasonOf(err) != app.ReasonBlockNotFound || back != nil {
			t.Errorf("%s: %q, %v; want %s", name, back, err, app.ReasonBlockNotFound)
		}
	}
}

func TestDecodeRefusesOtherBytes(t *testing.T) {
	t.Parallel()
	d := encode(t, content(ipfs.ChunkSize+1))
	for i, b := range d.Blocks {
		for _, at := range []int{0, len(b.Data) / 2, len(b.Data) - 1} {
			other := app.Document{Blocks: slices.Clone(d.Blocks)}
			other.Blocks[i].Data = bytes.Clone(b.Data)
			other.Blocks[i].Data[at] ^= 1
			if back, err := (ipfs.Encoder{}).Decode(d.Root, from(other)); err == nil || back != nil {
				t.Errorf("block %d changed at %d: read %d bytes, %v; want an error", i, at, len(back), err)
			}
		}
		missing := app.Document{Blocks: slices.Delete(slices.Clone(d.Blocks), i, i+1)}
		if _, err := (ipfs.Encoder{}).Decode(d.Root, from(missing)); !errors.Is(err, errMissing) {
			t.Errorf("block %d missing: %v; want the loader's error", i, err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, n := range []int{1 << 10, 16 << 10, 1 << 20} {
		doc := content(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				encode(b, doc)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	d := encode(b, content(1<<10))
	load := from(d)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (ipfs.Encoder{}).Decode(d.Root, load); err != nil {
			b.Fatal(err)
		}
	}
}
