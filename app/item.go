package app

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// LocalPrefix starts the provisional key of an item without a DFID.
const LocalPrefix = "LID-"

// MaxIdentifiers is how many identifiers one item may carry (design §2.17).
const MaxIdentifiers = 1000

// ItemStatus is the state of an item's life.
type ItemStatus string

// The item states (contract 02 §6.7).
const (
	ItemActive     ItemStatus = "Active"
	ItemDeprecated ItemStatus = "Deprecated"
	ItemMerged     ItemStatus = "Merged"
	ItemSplit      ItemStatus = "Split"
	ItemMergedInto ItemStatus = "MergedInto" // a local item; see Item.MergedInto
)

// Item is one traced thing: an animal, a lot, a bag. It starts as a local item
// (key "LID-<uuid>", seen by its owner) and becomes a traced one when it is
// pushed to a circuit and receives its DFID.
//
// An Item that came from Lookups is shared and must not be modified.
type Item struct {
	// Row is the row number: the order of creation. 0 until stored.
	Row         int64
	DFID        string
	LocalID     *uuid.UUID
	OwnerID     string
	WorkspaceID string
	// LegacyMode is true when the DFID was given by /api/items.
	LegacyMode  bool
	Identifiers []Identifier
	Aliases     []ExternalAlias
	Fingerprint string // 64 hex digits, or ""
	// Data is enriched_data: top-level key to canonical JSON value.
	Data map[string]json.RawMessage
	// Provenance says who wrote each key of Data last.
	Provenance    map[string]Provenance
	CreatedAt     time.Time
	ModifiedAt    time.Time
	SourceEntries []uuid.UUID
	Confidence    float64
	Status        ItemStatus
	// MergedInto is what the item became part of: the local id of the master
	// of a local item, the DFID of the primary of a traced one; else "".
	MergedInto string
	// MerkleRoot is TREE over the leaves of the item's events (contract 07
	// §6.1), "" while there are none; EventCount is their number.
	MerkleRoot string
	EventCount int64

	wire atomic.Pointer[[]byte]
}

// Wire returns the encoded form of the item, made once by encode and then
// shared by everybody who holds this value.
func (it *Item) Wire(encode func(*Item) []byte) []byte {
	if b := it.wire.Load(); b != nil {
		return *b
	}
	b := encode(it)
	it.wire.Store(&b)
	return b
}

// Clone returns a copy that may be changed; the values of Data are shared.
func (it *Item) Clone() *Item {
	c := &Item{
		Row: it.Row, DFID: it.DFID, LocalID: it.LocalID, OwnerID: it.OwnerID, WorkspaceID: it.WorkspaceID,
		LegacyMode: it.LegacyMode, Identifiers: slices.Clone(it.Identifiers), Aliases: slices.Clone(it.Aliases),
		Fingerprint: it.Fingerprint, Data: maps.Clone(it.Data), Provenance: maps.Clone(it.Provenance),
		CreatedAt: it.CreatedAt, ModifiedAt: it.ModifiedAt, SourceEntries: slices.Clone(it.SourceEntries),
		Confidence: it.Confidence, Status: it.Status, MergedInto: it.MergedInto,
		MerkleRoot: it.MerkleRoot, EventCount: it.EventCount,
	}
	if c.Data == nil {
		c.Data = make(map[string]json.RawMessage)
	}
	if c.Provenance == nil {
		c.Provenance = make(map[string]Provenance)
	}
	return c
}

// Local reports whether the item has no DFID yet.
func (it *Item) Local() bool { return strings.HasPrefix(it.DFID, LocalPrefix) }

// Provenance is who wrote a key of an item's data, where and when.
type Provenance struct {
	UserID    string    `json:"user_id"`
	CircuitID string    `json:"circuit_id,omitempty"`
	At        time.Time `json:"at"`
}

// ExternalAlias is a name that somebody else's system gives the item.
type ExternalAlias struct {
	Scheme       string    `json:"scheme"`
	Value        string    `json:"value"`
	IssuerID     string    `json:"issuer_id"`
	IssuedAt     time.Time `json:"issued_at"`
	EvidenceHash string    `json:"evidence_hash"`
}

// LocalMapping says what became of a local id. Item is the row that it names
// now; DFID is "" while the item is still local.
type LocalMapping struct {
	LocalID uuid.UUID
	OwnerID string
	Row     int64
	DFID    string
}

// Publication is one circuit that shows an item to everybody. Whole says that
// the circuit holds the whole item, see CircuitItem.
type Publication struct {
	CircuitID string
	Whole     bool
}

// ItemFilter selects items of a list.
type ItemFilter struct {
	Status          ItemStatus // "" for every status
	IdentifierKey   string     // "" for any; exact otherwise
	IdentifierValue string     // only together with IdentifierKey
}

// ItemReads reads items. Missing ones are ReasonItemNotFound.
type ItemReads interface {
	ByDFID(dfid string) (*Item, error)
	ByRow(row int64) (*Item, error)
	// ByRows returns the items with those row numbers in the order asked.
	ByRows(rows []int64) ([]*Item, error)
	// ByDFIDs returns those of the items that there are, by DFID.
	ByDFIDs(dfids []string) (map[string]*Item, error)
	// VisibleRows lists the row numbers of the items that userID may see
	// (his own, those shared with him and those of circuits he is a member
	// of; every item when everything is true), ascending, without reading
	// the items themselves.
	VisibleRows(userID string, everything bool, f ItemFilter, p Page) ([]int64, error)
	// Candidates calls fn with rows that userID may see, that pass the filter
	// and that may contain the folded query, ascending and in pieces, until
	// fn says that no more are needed. No row that contains the query and was
	// indexed is left out. Every row comes when the query is shorter than three
	// characters.
	Candidates(userID string, everything bool, f ItemFilter, query string, fn func(rows []int64) (more bool, err error)) error
	// SearchBacklog is what the search index does not know yet.
	SearchBacklog() (SearchBacklog, error)
	// Counts counts the items that userID may see.
	Counts(userID string, everything bool) (ItemCounts, error)
	// SharedWith reports whether the item is shared with userID, or he is a
	// member of a circuit that holds it.
	SharedWith(userID string, row int64) (bool, error)
	// Published reports whether a publicly accessible circuit without a
	// password publishes the item.
	Published(row int64, now time.Time) (bool, error)
	// Publications lists the publicly accessible circuits without a
	// password that publish the item.
	Publications(row int64, now time.Time) ([]Publication, error)
	// InPart lists, for those of the items that userID sees only in part as
	// a member, what he sees. He may own some of them all the same.
	InPart(userID string, rows []int64) (map[int64]PartialView, error)
	// Mapping returns what became of a local id; ReasonLocalItemNotFound.
	Mapping(localID uuid.UUID) (LocalMapping, error)
	// ByCanonical returns the row of the traced item that carries the
	// canonical identifier (its CanonicalKey), or 0.
	ByCanonical(key string) (int64, error)
	// OwnedWith lists row numbers of the user's own items that may carry an
	// identifier with that key and value, ascending; with lone, only of items
	// without a canonical identifier. The caller looks at the identifiers
	// themselves.
	OwnedWith(userID, key, value string, lone bool, limit int) ([]int64, error)
	// ByFingerprint returns the row of the circuit's item with that
	// fingerprint, or 0.
	ByFingerprint(circuitRow int64, fingerprint string) (int64, error)
}

// ItemRows changes items.
type ItemRows interface {
	ItemReads
	// NextDFID draws the next number of the one durable sequence. Numbers of
	// changes that were undone are given again; none is ever given twice.
	NextDFID() (uint64, error)
	// Insert stores a new item with its identifier index and sets Row.
	Insert(it *Item) error
	// Update stores the whole item. old is the item as it was read in this
	// transaction; the indexes follow the difference.
	Update(old, it *Item) error
	// Delete removes a local item that was folded into another one.
	Delete(it *Item) error
	// IndexSearch brings the next n items of the backlog into the search
	// index, or less when their texts are long; done says that there are no
	// more.
	IndexSearch(b SearchBacklog, n int) (done bool, err error)
	// MapLocal points a local id at the item with that row.
	MapLocal(m LocalMapping) error
	// AddCanonical claims a canonical identifier for an item. It reports
	// false, and changes nothing, when another item holds it.
	AddCanonical(key string, row int64) (bool, error)
	// TakeCanonical makes a canonical identifier name an item, whatever it
	// named before. See Claim.
	TakeCanonical(key string, row int64) error
	// MoveNames makes what named one item (canonical identifiers, circuits'
	// fingerprints) name another one.
	MoveNames(from, to int64) error
	// AddFingerprint remembers a circuit's fingerprint.
	AddFingerprint(circuitRow int64, fingerprint string, row int64) error
}
