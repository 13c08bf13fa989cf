package ipfs

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of a DAG-PB node (PBNode), its links (PBLink) and the UnixFS
// message in its data. A node's links come before its data, whatever their
// numbers.
const (
	pbData  = 1
	pbLinks = 2

	linkHash  = 1
	linkName  = 2
	linkTotal = 3

	fsType       = 1
	fsData       = 2
	fsSize       = 3
	fsBlockSizes = 4 // once per child, never packed

	fsFile = 2 // the type of files, leaves and inner nodes alike
)

// errFormat says that a block is none that Encode makes.
var errFormat = errors.New("block is not a file node")

func appendUint(b []byte, field protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), v)
}

// file is a parsed block.
type file struct {
	links []digest
	sizes []uint64 // bytes below each link
	data  []byte
	size  uint64
}

// parse reads a block as Encode writes it: nothing missing, nothing more.
func parse(block []byte) (file, error) {
	var f file
	var fs []byte
	found := false
	err := fields(block, func(field protowire.Number, raw []byte, _ uint64) bool {
		switch {
		case field == pbLinks && raw != nil && !found && len(f.links) < MaxLinks:
			d, ok := parseLink(raw)
			f.links = append(f.links, d)
			return ok
		case field == pbData && raw != nil && !found:
			fs, found = raw, true
			return true
		default:
			return false
		}
	})
	if err != nil || !found {
		return file{}, errFormat
	}
	var kind uint64
	err = fields(fs, func(field protowire.Number, raw []byte, v uint64) bool {
		switch {
		case field == fsType && raw == nil:
			kind = v
		case field == fsData && raw != nil:
			f.data = raw
		case field == fsSize && raw == nil:
			f.size = v
		case field == fsBlockSizes && raw == nil && len(f.sizes) < len(f.links):
			f.sizes = append(f.sizes, v)
		default:
			return false
		}
		return true
	})
	if err != nil || kind != fsFile || !f.consistent() {
		return file{}, errFormat
	}
	return f, nil
}

// consistent reports whether the sizes agree: a leaf's with its data, a node's
// with its children's, of which none is empty.
func (f *file) consistent() bool {
	if len(f.links) == 0 {
		return f.size == uint64(len(f.data))
	}
	var sum uint64
	for _, s := range f.sizes {
		if s == 0 || s > MaxDocument {
			return false
		}
		sum += s
	}
	return len(f.sizes) == len(f.links) && len(f.data) == 0 && f.size == sum
}

func parseLink(link []byte) (d digest, ok bool) {
	err := fields(link, func(field protowire.Number, raw []byte, _ uint64) bool {
		switch field {
		case linkHash:
			d, ok = fromMultihash(raw)
			return ok
		case linkName:
			return raw != nil && len(raw) == 0
		case linkTotal:
			return raw == nil
		default:
			return false
		}
	})
	return d, ok && err == nil
}

// fields calls visit for each field: with its bytes, never nil, or its number.
// visit returns false to refuse the field.
func fields(b []byte, visit func(field protowire.Number, raw []byte, v uint64) bool) error {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errFormat
		}
		b = b[n:]
		var raw []byte
		var v uint64
		switch kind {
		case protowire.BytesType:
			raw, n = protowire.ConsumeBytes(b)
			if n >= 0 && raw == nil {
				raw = []byte{}
			}
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		default:
			return errFormat
		}
		if n < 0 || !visit(field, raw, v) {
			return errFormat
		}
		b = b[n:]
	}
	return nil
}
