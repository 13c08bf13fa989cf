package db

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// maxItems bounds one call of Items.
const maxItems = 10_000

var _ app.Lookups = (*DB)(nil)

// User implements app.Lookups.
func (d *DB) User(ctx context.Context, id string) (*app.User, error) {
	return lookup(ctx, d, kindUser, id, false, userSize,
		func(s *session) (*app.User, error) { return users{s}.ByID(id) })
}

// APIKeyByHash implements app.Lookups.
func (d *DB) APIKeyByHash(ctx context.Context, hash string) (*app.APIKey, error) {
	return lookup(ctx, d, kindAPIKey, hash, false, apiKeySize,
		func(s *session) (*app.APIKey, error) { return apiKeys{s}.ByHash(hash) })
}

// Circuit implements app.Lookups. A circuit is read by several statements, so
// it needs a snapshot.
func (d *DB) Circuit(ctx context.Context, id uuid.UUID) (*app.Circuit, error) {
	return lookup(ctx, d, kindCircuit, id.String(), true, circuitSize,
		func(s *session) (*app.Circuit, error) { return circuits{s}.ByID(id) })
}

// lookup gives one value, from the cache or from a reader. Values that are
// not found are not remembered.
func lookup[T any](ctx context.Context, d *DB, k kind, key string, snapshot bool,
	size func(T) int64, load func(*session) (T, error),
) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	r := d.cache.ref(k, key)
	if v, ok := r.get(func(e *entry) bool { return e.key == key }); ok {
		return v.(T), nil //nolint:forcetypeassert // the kind fixes the type
	}
	v, err := onReader(ctx, d, snapshot, load)
	if err != nil {
		return none, err
	}
	r.put(key, v, size(v))
	return v, nil
}

// onReader runs load on a reader connection: on one snapshot, or, for a single
// statement, without a transaction of its own.
func onReader[T any](ctx context.Context, d *DB, snapshot bool, load func(*session) (T, error)) (T, error) {
	var none T
	s, err := d.readers.acquire(ctx)
	if err != nil {
		return none, err
	}
	defer d.readers.release(s)
	if snapshot {
		if err := d.readers.begin(s); err != nil {
			return none, err
		}
	}
	return load(s)
}

// Item implements app.Lookups. It goes from the DFID to the row number and
// from there to the item, so that lists and point reads share one copy.
func (d *DB) Item(ctx context.Context, dfid string) (*app.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	byDFID := d.cache.ref(kindItem, dfid)
	if v, ok := byDFID.get(func(e *entry) bool { return e.key == dfid }); ok {
		it, err := d.itemByRow(ctx, v.(int64)) //nolint:forcetypeassert // the kind fixes the type
		// Between the two steps the item may have got another DFID, or
		// may have been folded into another one.
		if err == nil && it.DFID == dfid {
			return it, nil
		}
		if err != nil && app.ReasonOf(err) != app.ReasonItemNotFound {
			return nil, err
		}
	}
	before, atRest := d.cache.epoch()
	it, err := onReader(ctx, d, false, func(s *session) (*app.Item, error) { return items{s}.ByDFID(dfid) })
	if err != nil {
		return nil, err
	}
	byDFID.put(dfid, it.Row, 8)
	// The row number was not known before the row was read, so its own
	// generation proves nothing; but when no commit at all came between, the
	// item is what the generation taken now stands for.
	byRow := d.cache.rowRef(kindItemRow, it.Row)
	if after, _ := d.cache.epoch(); atRest && after == before {
		byRow.put("", it, itemSize(it))
	}
	return it, nil
}

func (d *DB) itemByRow(ctx context.Context, row int64) (*app.Item, error) {
	r := d.cache.rowRef(kindItemRow, row)
	if v, ok := r.get(isRow(row)); ok {
		return v.(*app.Item), nil //nolint:forcetypeassert // the kind fixes the type
	}
	it, err := onReader(ctx, d, false, func(s *session) (*app.Item, error) { return items{s}.ByRow(row) })
	if err != nil {
		return nil, err
	}
	r.put("", it, itemSize(it))
	return it, nil
}

// isRow compares entries of items; the value carries the key.
func isRow(row int64) func(*entry) bool {
	return func(e *entry) bool {
		it, ok := e.value.(*app.Item)
		return ok && it.Row == row
	}
}

// Items implements app.Lookups. Each item is current by itself; they are not
// one snapshot.
func (d *DB) Items(ctx context.Context, rows []int64) ([]*app.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(rows) > maxItems {
		return nil, fmt.Errorf("items: %d rows asked for, at most %d are given", len(rows), maxItems)
	}
	out := make([]*app.Item, 0, len(rows))
	var missing []int64
	refs := map[int64]ref{}
	for _, row := range rows {
		r := d.cache.rowRef(kindItemRow, row)
		if v, ok := r.get(isRow(row)); ok {
			out = append(out, v.(*app.Item)) //nolint:forcetypeassert // the kind fixes the type
			continue
		}
		out = append(out, nil)
		if _, asked := refs[row]; !asked {
			refs[row] = r
			missing = append(missing, row)
		}
	}
	if len(missing) == 0 {
		return out, nil
	}
	found, err := d.loadItems(ctx, missing, refs)
	if err != nil {
		return nil, err
	}
	kept := out[:0]
	for i, row := range rows {
		it := out[i]
		if it == nil {
			it = found[row]
		}
		if it != nil {
			kept = append(kept, it)
		}
	}
	return kept, nil
}

func (d *DB) loadItems(ctx context.Context, rows []int64, refs map[int64]ref) (map[int64]*app.Item, error) {
	its, err := onReader(ctx, d, false, func(s *session) ([]*app.Item, error) {
		s.watch(ctx)
		return items{s}.ByRows(rows)
	})
	if err != nil {
		return nil, err
	}
	found := make(map[int64]*app.Item, len(its))
	for _, it := range its {
		found[it.Row] = it
		refs[it.Row].put("", it, itemSize(it))
	}
	return found, nil
}

// The sizes are estimates of what a value takes on the heap: its struct, its
// texts, and a share for maps and slices.
const (
	perElement = 64
	perKey     = 128
)

func userSize(u *app.User) int64 {
	n := int(unsafe.Sizeof(*u)) + len(u.ID) + len(u.Username) + len(u.Email) + len(u.PasswordHash) +
		len(u.WorkspaceID) + perElement*len(u.Adapters)
	return int64(n)
}

func apiKeySize(k *app.APIKey) int64 {
	n := int(unsafe.Sizeof(*k)) + len(k.OwnerID) + len(k.Name) + len(k.Hash) + len(k.Notes) +
		perKey*len(k.Permissions.Custom)
	for _, list := range [][]string{k.AllowedEndpoints, k.AllowedIPs} {
		n += textsSize(list)
	}
	return int64(n)
}

func textsSize(list []string) int {
	n := 0
	for _, s := range list {
		n += 16 + len(s)
	}
	return n
}

func circuitSize(c *app.Circuit) int64 {
	n := int(unsafe.Sizeof(*c)) + len(c.Name) + len(c.Description) + len(c.OwnerID) +
		len(c.DefaultNamespace) + textsSize(c.Published)
	for _, m := range c.Members {
		n += int(unsafe.Sizeof(m)) + len(m.UserID) + perElement*len(m.Permissions)
	}
	for _, r := range c.Roles {
		n += int(unsafe.Sizeof(r)) + len(r.Name) + len(r.Description) + perElement*len(r.Permissions)
	}
	for _, j := range c.Requests {
		n += int(unsafe.Sizeof(j)) + len(j.RequesterID) + len(j.Message)
	}
	if c.Alias != nil {
		n += perKey + textsSize(c.Alias.RequiredCanonical) + textsSize(c.Alias.RequiredContextual) +
			textsSize(c.Alias.AllowedNamespaces)
	}
	if p := c.Public; p != nil {
		n += int(unsafe.Sizeof(*p))
		for _, s := range []*string{p.PublicName, p.PublicDescription, p.Tagline, p.FooterText, p.LogoURL, p.QualityRules} {
			if s != nil {
				n += len(*s)
			}
		}
	}
	return int64(n)
}

// itemSize counts texts twice: once decoded and once in the encoded form that
// the item keeps from its first use on (app.Item.Wire).
func itemSize(it *app.Item) int64 {
	texts := len(it.DFID) + len(it.OwnerID) + len(it.WorkspaceID) + len(it.Fingerprint) +
		len(it.MerkleRoot) + len(it.MergedInto)
	for _, id := range it.Identifiers {
		texts += len(id.Key) + len(id.Value) + perElement
	}
	for _, a := range it.Aliases {
		texts += len(a.Scheme) + len(a.Value) + len(a.IssuerID) + len(a.EvidenceHash) + perElement
	}
	for k, v := range it.Data {
		texts += len(k) + len(v)
	}
	n := int(unsafe.Sizeof(*it)) + 2*texts + 16*len(it.SourceEntries)
	n += len(it.Identifiers)*perElement + (len(it.Data)+len(it.Provenance))*perKey
	return int64(n)
}
