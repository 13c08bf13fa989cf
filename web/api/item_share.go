package api

import (
	"context"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/items"
)

// shareHandlers serves the sharing of items (contract 02 §3.19 to §3.21, §4).
type shareHandlers struct{ svc *items.Service }

func (h shareHandlers) register(r *registrar) {
	family := together(tag("Item shares"), busyText(itemBusyText))
	post(r, "/api/items/{dfid}/share", scopeUser, h.share, family,
		summary("Show an item to another user"),
		describe("He may read all of it from then on, and is told. Sharing again renews the share. Only the item's owner may."))
	get(r, "/api/items/{dfid}/shared-with/{user_id}", scopeUser, h.sharedWith, family,
		summary("Is an item shared with a user?"),
		describe("Told to that user, to the item's owner and to administrators; false to everybody else."))
	get(r, "/api/items/shared-to/{user_id}", scopeUser, h.sharedTo, family,
		summary("Items shared with a user"),
		describe("All of them to that user and to administrators; to others what they shared with him."))
	get(r, "/api/items/{dfid}/shares", scopeUser, h.shares, family,
		summary("Shares of an item"),
		describe("All of them to the owner and to administrators; to a recipient his own."))
	del(r, "/api/items/{dfid}/share/{share_id}", scopeUser, h.unshare, family,
		summary("End a share"),
		describe("By the item's owner or the recipient."))
}

type shareInput struct {
	ItemPath
	Body struct {
		Recipient   string    `json:"recipient_user_id" doc:"User id."`
		Permissions *[]string `json:"permissions,omitempty" maxItems:"100" doc:"Your own words; a share gives the right to read and no other."`
	}
}

type shareReplyJSON struct {
	ShareID   string `json:"share_id" example:"SHARE-20250101120000-9F3A2B1C"`
	DFID      string `json:"dfid"`
	Recipient string `json:"recipient_user_id"`
	SharedAt  int64  `json:"shared_at" doc:"Unix seconds."`
}

func (h shareHandlers) share(ctx context.Context, in *shareInput) (*reply[shareReplyJSON], error) {
	wanted := items.ShareInput{RecipientID: in.Body.Recipient}
	if in.Body.Permissions != nil {
		wanted.Permissions = orEmpty(*in.Body.Permissions)
	}
	share, err := h.svc.Share(ctx, actor(ctx), in.DFID, wanted)
	if err != nil {
		return nil, prefixed("Failed to share item: ", err)
	}
	return respond(shareReplyJSON{
		ShareID: share.ID, DFID: in.DFID, Recipient: share.RecipientID, SharedAt: share.SharedAt.Unix(),
	}, nil)
}

type sharedWithInput struct {
	ItemPath
	UserID string `path:"user_id" doc:"User id of the recipient."`
}

type sharedWithJSON struct {
	Shared   bool    `json:"is_shared"`
	ShareID  *string `json:"share_id"`
	SharedAt *int64  `json:"shared_at" doc:"Unix seconds."`
}

func (h shareHandlers) sharedWith(ctx context.Context, in *sharedWithInput) (*reply[sharedWithJSON], error) {
	share, ok, err := h.svc.SharedWith(ctx, actor(ctx), in.DFID, in.UserID)
	if err != nil || !ok {
		return respond(sharedWithJSON{}, err)
	}
	at := share.SharedAt.Unix()
	return respond(sharedWithJSON{Shared: true, ShareID: &share.ID, SharedAt: &at}, nil)
}

type sharedToInput struct {
	UserID string `path:"user_id" doc:"User id of the recipient."`
	PageQuery
}

type sharedItemJSON struct {
	ShareID     string            `json:"share_id"`
	Item        encoded[itemJSON] `json:"item"`
	SharedBy    string            `json:"shared_by"`
	SharedAt    int64             `json:"shared_at" doc:"Unix seconds."`
	Permissions *[]string         `json:"permissions" nullable:"true"`
}

func (h shareHandlers) sharedTo(ctx context.Context, in *sharedToInput) (*reply[[]sharedItemJSON], error) {
	list, err := h.svc.SharedTo(ctx, actor(ctx), in.UserID, in.page())
	if err != nil {
		return nil, err
	}
	out := make([]sharedItemJSON, len(list))
	for i, s := range list {
		out[i] = sharedItemJSON{
			ShareID: s.ID, Item: s.Item.Wire(encodeItem), SharedBy: s.SharedBy, SharedAt: s.SharedAt.Unix(),
			Permissions: permissionsOrNull(s.ItemShare),
		}
	}
	return respond(out, nil)
}

func permissionsOrNull(s app.ItemShare) *[]string {
	if s.Permissions == nil {
		return nil
	}
	return &s.Permissions
}

type listSharesInput struct {
	ItemPath
	PageQuery
}

type shareJSON struct {
	ShareID     string    `json:"share_id"`
	Recipient   string    `json:"recipient_user_id"`
	SharedBy    string    `json:"shared_by"`
	SharedAt    int64     `json:"shared_at" doc:"Unix seconds."`
	Permissions *[]string `json:"permissions" nullable:"true"`
}

func (h shareHandlers) shares(ctx context.Context, in *listSharesInput) (*reply[[]shareJSON], error) {
	list, err := h.svc.Shares(ctx, actor(ctx), in.DFID, in.page())
	if err != nil {
		return nil, err
	}
	out := make([]shareJSON, len(list))
	for i, s := range list {
		out[i] = shareJSON{
			ShareID: s.ID, Recipient: s.RecipientID, SharedBy: s.SharedBy, SharedAt: s.SharedAt.Unix(),
			Permissions: permissionsOrNull(s),
		}
	}
	return respond(out, nil)
}

type unshareInput struct {
	ItemPath
	ShareID string `path:"share_id"`
}

type successJSON struct {
	Success bool `json:"success"`
}

func (h shareHandlers) unshare(ctx context.Context, in *unshareInput) (*reply[successJSON], error) {
	err := h.svc.Unshare(ctx, actor(ctx), in.DFID, in.ShareID)
	return respond(successJSON{Success: true}, err)
}
