package ipfs

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/defarm-repo/defarm/app"
)

// The bounds of what Decode reads. The largest document has 256 leaves under
// two levels of nodes.
const (
	maxBlock = ChunkSize + 64
	maxDepth = 4
	maxLoads = 1024
)

// errCorrupt says that a block is not the one its CID names.
var errCorrupt = errors.New("block does not match its CID")

// Decode gives the bytes of the document under root, which may be spelled as a
// version 0 or version 1 CID; load is always asked for the version 0 spelling.
// Every block is checked against its CID, and the work is bounded whatever the
// blocks say.
//
// A root that cannot name a document is ReasonBlockNotFound. Errors of load
// are wrapped. Any other error means that stored blocks are damaged.
func (Encoder) Decode(root string, load func(cid string) ([]byte, error)) ([]byte, error) {
	d, ok := fromCID(root)
	if !ok {
		return nil, app.NotFound(app.ReasonBlockNotFound, "Block not found")
	}
	r := reader{load: load}
	f, err := r.file(d)
	if err != nil {
		return nil, err
	}
	if f.size > MaxDocument {
		return nil, fmt.Errorf("read document: larger than %d bytes", MaxDocument)
	}
	if err := r.read(f, 1); err != nil {
		return nil, err
	}
	return r.out, nil
}

// fromCID takes the CIDs of DAG-PB nodes under SHA-256.
func fromCID(s string) (digest, bool) {
	c, err := cid.Decode(s)
	if err != nil || c.Type() != cid.DagProtobuf {
		return digest{}, false
	}
	return fromMultihash(c.Hash())
}

func fromMultihash(raw []byte) (digest, bool) {
	m, err := multihash.Decode(raw)
	if err != nil || m.Code != multihash.SHA2_256 || len(m.Digest) != sha256.Size {
		return digest{}, false
	}
	return digest(m.Digest), true
}

type reader struct {
	load  func(cid string) ([]byte, error)
	loads int
	out   []byte
}

// file loads, checks and parses one block.
func (r *reader) file(d digest) (file, error) {
	if r.loads++; r.loads > maxLoads {
		return file{}, fmt.Errorf("read document: more than %d blocks", maxLoads)
	}
	name, err := d.text()
	if err != nil {
		return file{}, err
	}
	block, err := r.load(name)
	if err != nil {
		return file{}, fmt.Errorf("load block: %w", err)
	}
	if len(block) > maxBlock || sha256.Sum256(block) != d {
		return file{}, fmt.Errorf("read block %s: %w", name, errCorrupt)
	}
	f, err := parse(block)
	if err != nil {
		return file{}, fmt.Errorf("read block %s: %w", name, err)
	}
	return f, nil
}

// read appends what is below f. The sizes of a node and of its children agree,
// so that no more comes out than the root promised.
func (r *reader) read(f file, depth int) error {
	if len(f.links) == 0 {
		r.out = append(r.out, f.data...)
		return nil
	}
	if depth == maxDepth {
		return fmt.Errorf("read document: more than %d levels", maxDepth)
	}
	for i, link := range f.links {
		below, err := r.file(link)
		if err != nil {
			return err
		}
		if below.size != f.sizes[i] {
			return fmt.Errorf("read document: %w", errFormat)
		}
		if err := r.read(below, depth+1); err != nil {
			return err
		}
	}
	return nil
}
