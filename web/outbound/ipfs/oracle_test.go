package ipfs_test

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"testing"

	unixfs "github.com/ipfs/boxo/ipld/unixfs/pb"
	"github.com/ipfs/go-cid"
	dagpb "github.com/ipld/go-codec-dagpb"
	"github.com/ipld/go-ipld-prime/datamodel"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/multiformats/go-multihash"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/web/outbound/ipfs"
)

// forge makes blocks with the IPLD project's own libraries: the second
// implementation, and the source of blocks that Encode would never make.
type forge struct {
	t      testing.TB
	blocks map[string][]byte
}

// branch is a subtree of a forged document.
type branch struct {
	cid   cid.Cid
	size  uint64
	total uint64
}

// block stores a node with that UnixFS message and links.
func (f *forge) block(fs *unixfs.Data, links []branch) branch {
	f.t.Helper()
	data, err := proto.Marshal(fs)
	if err != nil {
		f.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := dagpb.Encode(f.node(data, links), &out); err != nil {
		f.t.Fatal(err)
	}
	b := branch{cid: name(f.t, out.Bytes()), size: fs.GetFilesize(), total: uint64(out.Len())}
	for _, l := range links {
		b.total += l.total
	}
	f.blocks[b.cid.String()] = out.Bytes()
	return b
}

func name(t testing.TB, block []byte) cid.Cid {
	t.Helper()
	sum := sha256.Sum256(block)
	m, err := multihash.Encode(sum[:], multihash.SHA2_256)
	if err != nil {
		t.Fatal(err)
	}
	return cid.NewCidV0(m)
}

func (f *forge) node(data []byte, links []branch) datamodel.Node {
	f.t.Helper()
	check := func(err error) {
		if err != nil {
			f.t.Helper()
			f.t.Fatal(err)
		}
	}
	field := func(m datamodel.MapAssembler, key string) datamodel.NodeAssembler {
		a, err := m.AssembleEntry(key)
		check(err)
		return a
	}
	nb := dagpb.Type.PBNode.NewBuilder()
	m, err := nb.BeginMap(2)
	check(err)
	list, err := field(m, "Links").BeginList(int64(len(links)))
	check(err)
	for _, l := range links {
		link, err := list.AssembleValue().BeginMap(3)
		check(err)
		check(field(link, "Hash").AssignLink(cidlink.Link{Cid: l.cid}))
		check(field(link, "Name").AssignString(""))
		check(field(link, "Tsize").AssignInt(int64(l.total)))
		check(link.Finish())
	}
	check(list.Finish())
	check(field(m, "Data").AssignBytes(data))
	check(m.Finish())
	return nb.Build()
}

func (f *forge) leaf(chunk []byte) branch {
	fs := &unixfs.Data{Type: unixfs.Data_File.Enum(), Filesize: proto.Uint64(uint64(len(chunk)))}
	if len(chunk) > 0 {
		fs.Data = chunk
	}
	return f.block(fs, nil)
}

func (f *forge) inner(links []branch) branch {
	fs := &unixfs.Data{Type: unixfs.Data_File.Enum(), Filesize: proto.Uint64(0)}
	for _, l := range links {
		fs.Blocksizes = append(fs.Blocksizes, l.size)
		*fs.Filesize += l.size
	}
	return f.block(fs, links)
}

// fill takes from the front of rest what a subtree of that height holds: top
// down, where Encode works from the leaves up.
func (f *forge) fill(height int, rest *[]byte) branch {
	if height == 0 {
		n := min(ipfs.ChunkSize, len(*rest))
		chunk := (*rest)[:n]
		*rest = (*rest)[n:]
		return f.leaf(chunk)
	}
	var links []branch
	for len(links) < ipfs.MaxLinks && len(*rest) > 0 {
		links = append(links, f.fill(height-1, rest))
	}
	return f.inner(links)
}

func (f *forge) document(doc []byte) branch {
	height := 0
	for room := ipfs.ChunkSize; room < len(doc); room *= ipfs.MaxLinks {
		height++
	}
	return f.fill(height, &doc)
}

func (f *forge) load(name string) ([]byte, error) {
	b, ok := f.blocks[name]
	if !ok {
		return nil, errMissing
	}
	return b, nil
}

func newForge(t testing.TB) *forge { return &forge{t: t, blocks: map[string][]byte{}} }

// same compares a document with the forged one, block by block.
func same(t testing.TB, doc []byte) {
	t.Helper()
	d := encode(t, doc)
	f := newForge(t)
	if root := f.document(doc); root.cid.String() != d.Root {
		t.Fatalf("%d bytes: root %s, want %s", len(doc), d.Root, root.cid)
	}
	if len(d.Blocks) != len(f.blocks) {
		t.Fatalf("%d bytes: %d blocks, want %d", len(doc), len(d.Blocks), len(f.blocks))
	}
	for _, b := range d.Blocks {
		if want, ok := f.blocks[b.CID]; !ok || !bytes.Equal(b.Data, want) {
			t.Fatalf("%d bytes: block %s\n got %x\nwant %x", len(doc), b.CID, b.Data, want)
		}
	}
	back, err := ipfs.Encoder{}.Decode(d.Root, f.load)
	if err != nil || !bytes.Equal(back, doc) {
		t.Fatalf("%d bytes: read back %d bytes, %v", len(doc), len(back), err)
	}
}

func TestAgainstSecondImplementation(t *testing.T) {
	t.Parallel()
	for _, tc := range vectors {
		if tc.size <= 1<<20 {
			same(t, content(tc.size))
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.OneOf(rapid.IntRange(0, 3000), rapid.IntRange(ipfs.ChunkSize-3, ipfs.ChunkSize+3), rapid.IntRange(0, 3*ipfs.ChunkSize)).Draw(r, "size")
		seed := rapid.SliceOfN(rapid.Byte(), 1, 7).Draw(r, "seed")
		same(t, bytes.Repeat(seed, n/len(seed)+1)[:n])
	})
}

// TestDecodeRefusesForeignNodes gives blocks that are what their CIDs say but
// not documents of ours.
func TestDecodeRefusesForeignNodes(t *testing.T) {
	t.Parallel()
	file, size := unixfs.Data_File.Enum(), proto.Uint64
	f := newForge(t)
	abc, empty := f.leaf([]byte("abc")), f.leaf(nil)
	lying := abc
	lying.size = 4
	gone := branch{cid: name(t, []byte("nobody has this")), size: 3, total: 3}
	deep := abc
	for range 4 {
		deep = f.inner([]branch{deep})
	}
	huge := f.block(&unixfs.Data{Type: file, Filesize: size(1 << 40), Blocksizes: []uint64{1 << 40}}, []branch{abc})
	many := abc // 174 × 174 leaves of three bytes
	for range 2 {
		many = f.inner(slicesOf(ipfs.MaxLinks, many))
	}
	wide := f.inner(slicesOf(ipfs.MaxLinks+1, abc))
	raw := func(block string) branch {
		c := name(t, []byte(block))
		f.blocks[c.String()] = []byte(block)
		return branch{cid: c}
	}
	v1 := abc
	v1.cid = cid.NewCidV1(cid.Raw, abc.cid.Hash())
	tests := []struct {
		name string
		root branch
	}{
		{"directory", f.block(&unixfs.Data{Type: unixfs.Data_Directory.Enum()}, nil)},
		{"symbolic link", f.block(&unixfs.Data{Type: unixfs.Data_Symlink.Enum(), Data: []byte("/etc")}, nil)},
		{"raw leaf", f.block(&unixfs.Data{Type: unixfs.Data_Raw.Enum(), Data: []byte("abc"), Filesize: size(3)}, nil)},
		{"file with a mode", f.block(&unixfs.Data{Type: file, Data: []byte("abc"), Filesize: size(3), Mode: proto.Uint32(0o644)}, nil)},
		{"leaf of another size", f.block(&unixfs.Data{Type: file, Data: []byte("abc"), Filesize: size(4)}, nil)},
		{"leaf with sizes of children", f.block(&unixfs.Data{Type: file, Filesize: size(3), Blocksizes: []uint64{3}}, nil)},
		{"node with data", f.block(&unixfs.Data{Type: file, Data: []byte("x"), Filesize: size(3), Blocksizes: []uint64{3}}, []branch{abc})},
		{"node without sizes", f.block(&unixfs.Data{Type: file, Filesize: size(3)}, []branch{abc})},
		{"node of another size", f.block(&unixfs.Data{Type: file, Filesize: size(4), Blocksizes: []uint64{3}}, []branch{abc})},
		{"child of another size", f.inner([]branch{lying})},
		{"empty child", f.inner([]branch{abc, empty})},
		{"child without a block", f.inner([]branch{abc, gone})},
		{"too deep", deep},
		{"too large", huge},
		{"too many loads", many},
		{"too many links", wide},
		{"child under another codec", f.inner([]branch{v1})},
		{"no data", raw("")},
		{"two data fields", raw("\x0a\x04\x08\x02\x18\x00\x0a\x04\x08\x02\x18\x00")},
		{"unknown field", raw("\x0a\x04\x08\x02\x18\x00\x20\x01")},
		{"fixed field", raw("\x0d\x00\x00\x00\x00")},
		{"cut field", raw("\x0a\x09\x08\x02")},
		{"no protobuf", raw("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
		{"link without hash", raw("\x12\x04\x12\x00\x18\x03\x0a\x06\x08\x02\x18\x03\x20\x03")},
		{"block too large", raw(strings.Repeat("x", ipfs.ChunkSize+100))},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			loads := 0
			back, err := ipfs.Encoder{}.Decode(tc.root.cid.String(), func(name string) ([]byte, error) {
				loads++
				return f.load(name)
			})
			if err == nil || back != nil || app.CodeOf(err) != app.CodeInternal {
				t.Errorf("read %d bytes, %v; want an internal error", len(back), err)
			}
			if loads > 1024 {
				t.Errorf("%d blocks were loaded", loads)
			}
		})
	}
	// A foreign tree that keeps our rules is a document too.
	odd := f.inner([]branch{f.inner([]branch{abc, abc}), abc})
	if back, err := (ipfs.Encoder{}).Decode(odd.cid.String(), f.load); err != nil || string(back) != "abcabcabc" {
		t.Errorf("odd tree: %q, %v", back, err)
	}
}

func slicesOf(n int, b branch) []branch {
	out := make([]branch, n)
	for i := range out {
		out[i] = b
	}
	return out
}

func FuzzDecode(f *testing.F) {
	forged := newForge(f)
	abc := forged.leaf([]byte("abc"))
	forged.inner([]branch{abc, abc})
	for _, b := range forged.blocks {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		root := name(t, block).String()
		loads := 0
		doc, err := ipfs.Encoder{}.Decode(root, func(c string) ([]byte, error) {
			if loads++; loads > 1024 {
				t.Fatal("more than 1,024 blocks were loaded")
			}
			switch c {
			case root:
				return block, nil
			case abc.cid.String():
				return forged.blocks[c], nil
			default:
				return nil, errMissing
			}
		})
		if err == nil && len(doc) > ipfs.MaxDocument {
			t.Fatalf("%d bytes came out of a block of %d", len(doc), len(block))
		}
	})
}
