package items

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
)

// The bounds of the permissions that a share carries.
const (
	maxSharePermissions    = 100
	maxSharePermissionText = 1024 // bytes
)

// ShareInput says with whom an item is shared.
type ShareInput struct {
	RecipientID string
	Permissions []string // nil when none are given
}

func (in ShareInput) check() error {
	refuse := func(text string) error {
		return app.Invalid(app.ReasonShareInput, "Invalid operation: %s", text)
	}
	if len(in.Permissions) > maxSharePermissions {
		return refuse(fmt.Sprintf("more than %d permissions", maxSharePermissions))
	}
	for _, p := range in.Permissions {
		if len(p) > maxSharePermissionText || strings.IndexByte(p, 0) >= 0 || !utf8.ValidString(p) {
			return refuse(fmt.Sprintf("a permission is longer than %d bytes, or no text without U+0000", maxSharePermissionText))
		}
	}
	return nil
}

// Share shows an item of the caller's to another account, which may read all of
// it from then on, and is told. Sharing again renews the share under its id.
//
// Errors: ReasonItemNotFound (400) for items that are not the caller's;
// ReasonShareInput when the recipient does not exist or is the owner.
func (s *Service) Share(ctx context.Context, who app.Actor, dfid string, in ShareInput) (app.ItemShare, error) {
	if err := in.check(); err != nil {
		return app.ItemShare{}, err
	}
	t := s.tracing(who)
	var share app.ItemShare
	err := s.store.Write(ctx, func(tx app.Tx) error {
		it, err := t.own(tx, dfid)
		if err != nil {
			return err
		}
		if in.RecipientID == it.OwnerID {
			return app.Invalid(app.ReasonShareInput, "Invalid operation: recipient is the owner of the item")
		}
		if _, err := tx.Users().ByID(in.RecipientID); app.CodeOf(err) == app.CodeNotFound {
			return app.Invalid(app.ReasonShareInput, "Invalid operation: recipient does not exist")
		} else if err != nil {
			return err
		}
		share, err = tx.Shares().Of(it.Row, in.RecipientID)
		switch {
		case err == nil:
			share.Permissions, share.SharedAt = in.Permissions, t.now
			return tx.Shares().Update(share)
		case app.CodeOf(err) != app.CodeNotFound:
			return err
		}
		id, err := t.shareID(tx)
		if err != nil {
			return err
		}
		share = app.ItemShare{
			ID: id, ItemRow: it.Row, RecipientID: in.RecipientID, SharedBy: who.UserID,
			Permissions: in.Permissions, SharedAt: t.now,
		}
		if err := tx.Shares().Insert(share); err != nil {
			return err
		}
		return t.tellOfShare(tx, it, share)
	})
	return share, err
}

// shareID makes an id of contract 02 §5.5: SHARE-, the second in UTC, and the
// first eight hexadecimal digits of a random UUID. That is short enough for two
// to meet; another one is drawn then.
func (t *tracing) shareID(tx app.Tx) (string, error) {
	for {
		id := t.service.env.NewID()
		text := "SHARE-" + t.now.UTC().Format("20060102150405") + "-" + strings.ToUpper(hex.EncodeToString(id[:4]))
		if _, err := tx.Shares().ByID(text); app.CodeOf(err) == app.CodeNotFound {
			return text, nil
		} else if err != nil {
			return "", err
		}
	}
}

func (t *tracing) tellOfShare(tx app.Tx, it *app.Item, share app.ItemShare) error {
	n := app.Notification{
		ID: t.service.env.NewID(), UserID: share.RecipientID, Type: app.NotifyItemShared, At: t.now,
		Title:   "Item shared with you",
		Message: fmt.Sprintf("User %s shared item %s with you.", share.SharedBy, it.DFID),
	}
	n.Data = map[string]json.RawMessage{
		"item_id":   canon.AppendString(nil, it.DFID),
		"shared_by": canon.AppendString(nil, share.SharedBy),
		"share_id":  canon.AppendString(nil, share.ID),
		"timestamp": json.RawMessage(strconv.FormatInt(t.now.Unix(), 10)),
	}
	return tx.Notifications().Insert(n)
}

// SharedWith returns the share of an item with an account, as far as it is the
// caller's to know: the recipient, the owner and administrators are told. For
// everybody else, and when there is none, ok is false.
func (s *Service) SharedWith(ctx context.Context, who app.Actor, dfid, recipientID string) (share app.ItemShare, ok bool, err error) {
	err = s.store.Read(ctx, func(r app.Reader) error {
		it, err := r.Items().ByDFID(dfid)
		if err != nil {
			return err
		}
		if who.UserID != recipientID && !app.OwnsItem(who, it) {
			return nil
		}
		share, err = r.Shares().Of(it.Row, recipientID)
		ok = err == nil
		return err
	})
	if app.CodeOf(err) == app.CodeNotFound {
		return app.ItemShare{}, false, nil
	}
	return share, ok, err
}

// SharedItem is a share with its item.
type SharedItem struct {
	app.ItemShare
	Item *app.Item
}

// SharedTo lists what is shared with an account, in order of sharing: all of it
// to the account itself and to administrators, to others what they shared.
func (s *Service) SharedTo(ctx context.Context, who app.Actor, recipientID string, p app.Page) ([]SharedItem, error) {
	sharedBy := who.UserID
	if who.IsAdmin || who.UserID == recipientID {
		sharedBy = ""
	}
	var list []app.ItemShare
	err := s.store.Read(ctx, func(r app.Reader) (err error) {
		list, err = r.Shares().ByRecipient(recipientID, sharedBy, p)
		return err
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	rows := make([]int64, len(list))
	for i, share := range list {
		rows[i] = share.ItemRow
	}
	its, err := s.store.Items(ctx, rows)
	if err != nil {
		return nil, err
	}
	byRow := make(map[int64]*app.Item, len(its))
	for _, it := range its {
		byRow[it.Row] = it
	}
	out := make([]SharedItem, 0, len(list))
	for _, share := range list {
		if it := byRow[share.ItemRow]; it != nil { // else folded into another item since
			out = append(out, SharedItem{share, it})
		}
	}
	return out, nil
}

// Shares lists the shares of an item in order of sharing: all of them to its
// owner and to administrators, to a recipient his own. ReasonItemNotFound for
// everybody else.
func (s *Service) Shares(ctx context.Context, who app.Actor, dfid string, p app.Page) ([]app.ItemShare, error) {
	var out []app.ItemShare
	err := s.store.Read(ctx, func(r app.Reader) error {
		it, err := r.Items().ByDFID(dfid)
		if err != nil {
			return err
		}
		if app.OwnsItem(who, it) {
			out, err = r.Shares().ByItem(it.Row, p)
			return err
		}
		own, err := r.Shares().Of(it.Row, who.UserID)
		if app.CodeOf(err) == app.CodeNotFound {
			return notFound()
		}
		if err == nil && p.Offset == 0 && p.Limit > 0 {
			out = []app.ItemShare{own}
		}
		return err
	})
	return out, err
}

// Unshare ends a share: by the item's owner, or by the recipient, who wants it
// no longer. ReasonShareNotFound.
func (s *Service) Unshare(ctx context.Context, who app.Actor, dfid, shareID string) error {
	unknown := app.NotFound(app.ReasonShareNotFound, "Share not found")
	return s.store.Write(ctx, func(tx app.Tx) error {
		it, err := tx.Items().ByDFID(dfid)
		if app.CodeOf(err) == app.CodeNotFound {
			return unknown
		}
		if err != nil {
			return err
		}
		share, err := tx.Shares().ByID(shareID)
		if err != nil {
			return err
		}
		if share.ItemRow != it.Row || !slices.Contains([]string{it.OwnerID, share.RecipientID}, who.UserID) {
			return unknown
		}
		return tx.Shares().Delete(share)
	})
}
