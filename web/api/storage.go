package api

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/evidence"
)

// storageHandlers serves where item documents were stored (contract 02 §3.25
// and 04 §4), and the documents of the embedded IPFS block store.
type storageHandlers struct{ svc *evidence.Service }

func (h storageHandlers) register(r *registrar) {
	get(r, "/api/items/{dfid}/storage-history", scopeUser, h.flat, tag("Storage"), busyText(itemBusyText),
		summary("Where an item's document was stored, newest first"))
	get(r, "/api/storage-history/{dfid}", scopeUser, h.full, tag("Storage"), busyText(itemBusyText),
		summary("Storage history of an item"),
		describe("Answers 200 with `success: false` when there is none, or none that you may see."))
	get(r, "/api/public/storage-history/{dfid}", scopePublic, h.public, tag("Storage"), busyText(itemBusyText),
		summary("Storage history of a published item"),
		describe("Answers 200 with `success: false` for items that no openly accessible circuit publishes. It does not tell who stored the document."))
	get(r, "/ipfs/{cid}", scopeOptional, h.document, tag("Storage"), busyText(itemBusyText),
		summary("Read a stored item document by its CID"),
		describe("To whoever may read the item; to everybody once it is published."))
}

type storageHistoryInput struct {
	ItemPath
	PageQuery
}

// storageRecordJSON is the flat form of contract 02 §3.25.
type storageRecordJSON struct {
	AdapterType  string  `json:"adapter_type" example:"ipfs-ipfs"`
	Network      *string `json:"network"`
	NFTMintTx    *string `json:"nft_mint_tx"`
	IPCMUpdateTx *string `json:"ipcm_update_tx"`
	IPFSCID      *string `json:"ipfs_cid"`
	IPFSPinned   *bool   `json:"ipfs_pinned"`
	NFTContract  *string `json:"nft_contract"`
	Location     string  `json:"storage_location" doc:"As text." example:"IPFS { cid: \"Qm…\", pinned: true }"`
	StoredAt     string  `json:"stored_at" doc:"RFC 3339, whole seconds."`
	TriggeredBy  string  `json:"triggered_by" example:"circuit_push"`
	Active       bool    `json:"is_active"`
}

type flatHistoryJSON struct {
	Success bool                `json:"success"`
	DFID    string              `json:"dfid"`
	Records []storageRecordJSON `json:"records"`
}

func (h storageHandlers) flat(ctx context.Context, in *storageHistoryInput) (*reply[flatHistoryJSON], error) {
	history, err := h.svc.StorageHistory(ctx, actor(ctx), in.DFID, in.page())
	if err != nil {
		return nil, err
	}
	out := flatHistoryJSON{Success: true, DFID: in.DFID, Records: make([]storageRecordJSON, len(history.Records))}
	for i, rec := range history.Records {
		out.Records[i] = storageRecordJSON{
			AdapterType: string(rec.AdapterType), Network: textOrNull(rec.Metadata.Network),
			IPFSCID: textOrNull(rec.Metadata.IPFSCID), IPFSPinned: rec.Metadata.IPFSPinned,
			Location: rec.Location.DebugText(), StoredAt: offsetSeconds(rec.StoredAt),
			TriggeredBy: rec.TriggeredBy, Active: rec.Active,
		}
	}
	return respond(out, nil)
}

// offsetSeconds is the offset form of contract 04 §0 with whole seconds.
func offsetSeconds(t time.Time) string { return app.FormatOffset(t.Truncate(time.Second)) }

// storedItemJSON is the form of contract 04 §4.1.
type storedItemJSON struct {
	DFID      string              `json:"dfid"`
	Records   []storedRecordJSON  `json:"storage_records"`
	Primary   app.StorageLocation `json:"current_primary"`
	CreatedAt string              `json:"created_at"`
	UpdatedAt string              `json:"updated_at"`
}

type storedRecordJSON struct {
	Location  app.StorageLocation `json:"storage_location"`
	StoredAt  string              `json:"stored_at"`
	CircuitID *string             `json:"circuit_id"`
	UserID    string              `json:"user_id"`
	Operation string              `json:"operation_type"`
	Primary   bool                `json:"is_primary"`
	Metadata  app.StorageMetadata `json:"metadata"`
	Adapter   string              `json:"adapter_type"`
}

// fullHistoryJSON holds data, or error with what belongs to it.
type fullHistoryJSON struct {
	Success bool            `json:"success"`
	Data    *storedItemJSON `json:"data,omitempty"`
	Error   string          `json:"error,omitempty"`
	Code    string          `json:"code,omitempty"`
	DFID    string          `json:"dfid,omitempty"`
}

func fullHistoryFrom(h evidence.History) fullHistoryJSON {
	out := &storedItemJSON{
		DFID: h.DFID, Primary: h.Primary, CreatedAt: offsetSeconds(h.CreatedAt), UpdatedAt: offsetSeconds(h.UpdatedAt),
		Records: make([]storedRecordJSON, len(h.Records)),
	}
	for i, rec := range h.Records {
		out.Records[i] = storedRecordJSON{
			Location: rec.Location, StoredAt: offsetSeconds(rec.StoredAt), UserID: rec.UserID, Operation: rec.TriggeredBy,
			Primary: rec.Active, Metadata: rec.Metadata, Adapter: string(rec.AdapterType),
		}
		if _, err := uuid.Parse(rec.CircuitID); err == nil {
			out.Records[i].CircuitID = &rec.CircuitID
		}
	}
	return fullHistoryJSON{Success: true, Data: out}
}

func (h storageHandlers) full(ctx context.Context, in *storageHistoryInput) (*reply[fullHistoryJSON], error) {
	history, err := h.svc.StorageHistory(ctx, actor(ctx), in.DFID, in.page())
	if app.ReasonOf(err) == app.ReasonNoStorageHistory {
		return respond(fullHistoryJSON{Error: "Item not found", DFID: in.DFID}, nil)
	}
	if err != nil {
		return nil, err
	}
	return respond(fullHistoryFrom(history), nil)
}

func (h storageHandlers) public(ctx context.Context, in *storageHistoryInput) (*reply[fullHistoryJSON], error) {
	history, err := h.svc.PublicStorageHistory(ctx, in.DFID, in.page())
	switch reason := app.ReasonOf(err); {
	case err == nil:
		return respond(fullHistoryFrom(history), nil)
	case reason == app.ReasonItemNotPublic:
		return respond(fullHistoryJSON{Error: "Item not found in any public circuit", Code: "ITEM_NOT_PUBLIC"}, nil)
	case reason == app.ReasonNoStorageHistory:
		return respond(fullHistoryJSON{Error: "Storage history not found for this item", DFID: in.DFID}, nil)
	default:
		return nil, err
	}
}

type cidPath struct {
	CID string `path:"cid" doc:"Content identifier, as storage histories give it."`
}

// documentReply is an item document as it was stored.
type documentReply struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	ETag         string `header:"ETag"`
	Vary         string `header:"Vary"`
	Body         []byte `contentType:"application/json"`
}

func (h storageHandlers) document(ctx context.Context, in *cidPath) (*documentReply, error) {
	doc, err := h.svc.Document(ctx, actor(ctx), in.CID)
	if err != nil {
		return nil, err
	}
	// What a CID names never changes; who may read it does, so only a
	// document that everybody may read is kept by caches that others share.
	reach := "private"
	if doc.Public {
		reach = "public"
	}
	return &documentReply{
		ContentType: contentJSON, CacheControl: reach + ", max-age=31536000, immutable",
		ETag: `"` + in.CID + `"`, Vary: "Authorization, X-API-Key", Body: doc.Data,
	}, nil
}
