package app

import "time"

// ItemShare shows one item to one account. It gives the right to read the whole
// item and no other.
type ItemShare struct {
	Row         int64
	ID          string // SHARE-<time>-<8 hexadecimal digits>
	ItemRow     int64
	RecipientID string
	SharedBy    string
	// Permissions are the sharer's words; they have no meaning here. nil when
	// none were given.
	Permissions []string
	SharedAt    time.Time
}

// ShareReads reads shares.
type ShareReads interface {
	// Of returns the share of an item with a recipient; ReasonShareNotFound.
	Of(itemRow int64, recipientID string) (ItemShare, error)
	// ByID returns one by its id; ReasonShareNotFound.
	ByID(id string) (ItemShare, error)
	// ByItem lists an item's shares in order of sharing.
	ByItem(itemRow int64, p Page) ([]ItemShare, error)
	// ByRecipient lists what is shared with an account in order of sharing,
	// by one sharer unless sharedBy is "".
	ByRecipient(recipientID, sharedBy string, p Page) ([]ItemShare, error)
}

// ShareRows changes shares.
type ShareRows interface {
	ShareReads
	// Insert stores a share; CodeConflict when there is one with that id, or
	// of that item with that recipient.
	Insert(s ItemShare) error
	// Update stores permissions and time.
	Update(s ItemShare) error
	Delete(s ItemShare) error
}
