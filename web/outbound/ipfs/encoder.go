package ipfs

import (
	"crypto/sha256"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/defarm-repo/defarm/app"
)

const (
	// ChunkSize is how many bytes of a document a leaf holds.
	ChunkSize = 256 << 10
	// MaxLinks is how many children a node has at most.
	MaxLinks = 174
	// MaxDocument is the largest document, in bytes.
	MaxDocument = 64 << 20
)

// Encoder implements app.DocumentEncoder. It has no state and may be used by
// many goroutines.
type Encoder struct{}

var _ app.DocumentEncoder = Encoder{}

// Encode cuts doc into blocks, each block once, leaves first and the root last.
// The blocks share no memory with doc. A document over MaxDocument is
// CodeTooLarge.
func (Encoder) Encode(doc []byte) (app.Document, error) {
	if len(doc) > MaxDocument {
		return app.Document{}, app.NewError(app.CodeTooLarge, app.ReasonBodyTooLarge, "Document is larger than %d bytes", MaxDocument)
	}
	b := builder{}
	if len(doc) > ChunkSize { // one block needs no map
		b.seen = make(map[digest]bool)
	}
	level := make([]child, 0, max(1, (len(doc)+ChunkSize-1)/ChunkSize))
	for len(doc) > ChunkSize {
		level = append(level, b.leaf(doc[:ChunkSize]))
		doc = doc[ChunkSize:]
	}
	level = append(level, b.leaf(doc)) // the only one when doc is empty
	for len(level) > 1 {
		parents := make([]child, 0, (len(level)+MaxLinks-1)/MaxLinks)
		for len(level) > 0 {
			n := min(MaxLinks, len(level))
			parents = append(parents, b.node(level[:n]))
			level = level[n:]
		}
		level = parents
	}
	if b.err != nil {
		return app.Document{}, b.err
	}
	root, err := level[0].hash.text()
	if err != nil {
		return app.Document{}, err
	}
	return app.Document{Root: root, Blocks: b.blocks}, nil
}

// digest is the SHA-256 of a block: what its CID says.
type digest [sha256.Size]byte

// multihash is the binary form of a version 0 CID.
func (d digest) multihash() ([]byte, error) {
	m, err := multihash.Encode(d[:], multihash.SHA2_256)
	if err != nil {
		return nil, fmt.Errorf("encode multihash: %w", err)
	}
	return m, nil
}

// text is the version 0 CID.
func (d digest) text() (string, error) {
	m, err := d.multihash()
	if err != nil {
		return "", err
	}
	return cid.NewCidV0(m).String(), nil
}

// child is a finished subtree.
type child struct {
	hash  digest
	size  uint64 // bytes of the document below it
	total uint64 // bytes of all blocks below it, its own included
}

// builder collects blocks; the first error stays in err.
type builder struct {
	blocks []app.Block
	seen   map[digest]bool
	err    error
}

func (b *builder) leaf(chunk []byte) child {
	fs := make([]byte, 0, len(chunk)+24)
	fs = appendUint(fs, fsType, fsFile)
	if len(chunk) > 0 {
		fs = protowire.AppendTag(fs, fsData, protowire.BytesType)
		fs = protowire.AppendBytes(fs, chunk)
	}
	fs = appendUint(fs, fsSize, uint64(len(chunk)))
	block := make([]byte, 0, len(fs)+8)
	block = protowire.AppendTag(block, pbData, protowire.BytesType)
	block = protowire.AppendBytes(block, fs)
	return b.add(block, uint64(len(chunk)), 0)
}

func (b *builder) node(children []child) child {
	var size, below uint64
	block := make([]byte, 0, len(children)*56)
	sizes := make([]byte, 0, len(children)*4)
	for _, c := range children {
		size += c.size
		below += c.total
		sizes = appendUint(sizes, fsBlockSizes, c.size)
		block = b.link(block, c)
	}
	fs := appendUint(nil, fsType, fsFile)
	fs = appendUint(fs, fsSize, size)
	fs = append(fs, sizes...)
	block = protowire.AppendTag(block, pbData, protowire.BytesType)
	block = protowire.AppendBytes(block, fs)
	return b.add(block, size, below)
}

// link appends the link to a child. Its empty name is written out.
func (b *builder) link(block []byte, c child) []byte {
	m, err := c.hash.multihash()
	if err != nil && b.err == nil {
		b.err = err
	}
	link := protowire.AppendTag(make([]byte, 0, 48), linkHash, protowire.BytesType)
	link = protowire.AppendBytes(link, m)
	link = protowire.AppendTag(link, linkName, protowire.BytesType)
	link = protowire.AppendString(link, "")
	link = appendUint(link, linkTotal, c.total)
	block = protowire.AppendTag(block, pbLinks, protowire.BytesType)
	return protowire.AppendBytes(block, link)
}

// add keeps a block, unless an equal one is kept already.
func (b *builder) add(block []byte, size, below uint64) child {
	c := child{hash: sha256.Sum256(block), size: size, total: below + uint64(len(block))}
	if b.seen[c.hash] {
		return c
	}
	name, err := c.hash.text()
	if err != nil && b.err == nil {
		b.err = err
	}
	if b.seen != nil {
		b.seen[c.hash] = true
	}
	b.blocks = append(b.blocks, app.Block{CID: name, Data: block})
	return c
}
