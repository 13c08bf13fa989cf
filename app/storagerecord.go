package app

import (
	"fmt"
	"time"
)

// StorageRecord says where an adapter put an item's document.
type StorageRecord struct {
	Row         int64
	ItemRow     int64
	AdapterType AdapterType
	Location    StorageLocation
	StoredAt    time.Time
	TriggeredBy string // "circuit_push" or "circuit_migration"
	CircuitID   string // circuit that caused it
	UserID      string // person who caused it
	Active      bool   // at most one active record per item
	Metadata    StorageMetadata
}

// StorageLocation is the place, externally tagged on the wire; one member is
// set. Only IPFS exists in the foundation.
type StorageLocation struct {
	IPFS *IPFSLocation `json:"IPFS,omitempty"`
}

// IPFSLocation names a document by its content identifier.
type IPFSLocation struct {
	CID    string `json:"cid"`
	Pinned bool   `json:"pinned"`
}

// DebugText is the notation of the places where the contract shows a location
// as text (04 §8.4); "" when no member is set.
func (l StorageLocation) DebugText() string {
	if l.IPFS == nil {
		return ""
	}
	// A CID is letters and digits: nothing to escape.
	return fmt.Sprintf(`IPFS { cid: "%s", pinned: %t }`, l.IPFS.CID, l.IPFS.Pinned)
}

// StorageMetadata is what the contract shows beside a record.
type StorageMetadata struct {
	Network    string `json:"network,omitempty"`
	IPFSCID    string `json:"ipfs_cid,omitempty"`
	IPFSPinned *bool  `json:"ipfs_pinned,omitempty"`
}

// Block is one IPFS block: its bytes under the CID that names them.
type Block struct {
	CID  string
	Data []byte
}

// Document is an encoded document with the blocks that hold it. Root is the
// CID that `ipfs add --cid-version=0` gives for the same bytes.
type Document struct {
	Root   string
	Blocks []Block
}

// DocumentEncoder cuts a document into IPFS blocks. Package web/outbound/ipfs
// implements it; it computes and stores nothing.
type DocumentEncoder interface {
	Encode(doc []byte) (Document, error)
	// Decode gives the bytes of the document under root. load returns one
	// block's data.
	Decode(root string, load func(cid string) ([]byte, error)) ([]byte, error)
}

// StorageReads reads storage records and blocks.
type StorageReads interface {
	// ByItem lists an item's records, newest first.
	ByItem(itemRow int64, p Page) ([]StorageRecord, error)
	// Block returns a block's data; ReasonBlockNotFound.
	Block(cid string) ([]byte, error)
	// ByCID lists the records whose document has that CID, newest first.
	ByCID(cid string) ([]StorageRecord, error)
}

// StorageRows changes storage records and blocks.
type StorageRows interface {
	StorageReads
	// InsertRecord stores a record and ends the item's active ones.
	InsertRecord(r StorageRecord) error
	// InsertBlocks stores blocks; those that exist are left alone.
	InsertBlocks(blocks []Block) error
}
