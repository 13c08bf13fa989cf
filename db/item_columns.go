package db

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
)

// itemColumns is what scanItem reads, in its order.
const itemColumns = `row, dfid, local_id, owner_id, workspace_id, legacy_mode, identifiers, aliases,
	fingerprint, data, provenance, source_entries, confidence, status, merged_into, merkle_root,
	event_count, created_at, modified_at`

func scanItem(sc scanner) (*app.Item, error) {
	var (
		it                                                      app.Item
		localID, identifiers, aliases, data, provenance, source string
		created, modified                                       int64
	)
	err := sc.Scan(&it.Row, &it.DFID, &localID, &it.OwnerID, &it.WorkspaceID, &it.LegacyMode,
		&identifiers, &aliases, &it.Fingerprint, &data, &provenance, &source, &it.Confidence,
		&it.Status, &it.MergedInto, &it.MerkleRoot, &it.EventCount, &created, &modified)
	if err != nil {
		return nil, err
	}
	it.CreatedAt, it.ModifiedAt = fromUnix(created), fromUnix(modified)
	if it.LocalID, err = uuidFromText(localID); err != nil {
		return nil, fmt.Errorf("item %s: local id: %w", it.DFID, err)
	}
	for _, col := range []struct {
		name, text string
		into       any
	}{
		{"identifiers", identifiers, &it.Identifiers},
		{"aliases", aliases, &it.Aliases},
		{"data", data, &it.Data},
		{"provenance", provenance, &it.Provenance},
		{"source_entries", source, &it.SourceEntries},
	} {
		if col.text == "[]" || col.text == "{}" {
			continue
		}
		if err := fromJSON(col.text, col.into); err != nil {
			return nil, fmt.Errorf("item %s: %s: %w", it.DFID, col.name, err)
		}
	}
	return &it, nil
}

// itemValues are the values of itemColumns without the row number.
func itemValues(it *app.Item) ([]any, error) {
	aliases, provenance := "[]", "{}"
	var err error
	switch it.Status {
	case app.ItemActive, app.ItemDeprecated, app.ItemMerged, app.ItemSplit, app.ItemMergedInto:
	default: // what is stored is shown, so it is checked here
		return nil, fmt.Errorf("item %s: unknown status %q", it.DFID, it.Status)
	}
	if len(it.Aliases) > 0 {
		if aliases, err = toJSON(it.Aliases); err != nil {
			return nil, fmt.Errorf("encode aliases: %w", err)
		}
	}
	if len(it.Provenance) > 0 {
		if provenance, err = toJSON(it.Provenance); err != nil {
			return nil, fmt.Errorf("encode provenance: %w", err)
		}
	}
	return []any{
		it.DFID, uuidText(it.LocalID), it.OwnerID, it.WorkspaceID, b2i(it.LegacyMode),
		identifiersText(it.Identifiers), aliases, it.Fingerprint, objectText(it.Data), provenance,
		uuidsText(it.SourceEntries), it.Confidence, string(it.Status), it.MergedInto, it.MerkleRoot,
		it.EventCount, toUnix(it.CreatedAt), toUnix(it.ModifiedAt),
	}, nil
}

// identifiersText writes what app.Identifier.UnmarshalJSON reads. It is written
// by hand because it runs on the writer, once for every create and push, and
// encoding/json needs ten times as long for it.
func identifiersText(ids []app.Identifier) string {
	if len(ids) == 0 {
		return "[]"
	}
	b := make([]byte, 0, 16+128*len(ids))
	b = append(b, '[')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"namespace":`...)
		b = canon.AppendString(b, id.Namespace)
		b = append(b, `,"key":`...)
		b = canon.AppendString(b, id.Key)
		b = append(b, `,"value":`...)
		b = canon.AppendString(b, id.Value)
		if !id.Canonical {
			b = append(b, `,"id_type":{"Contextual":{"scope":`...)
			b = canon.AppendString(b, id.Scope)
			b = append(b, `}}}`...)
			continue
		}
		b = append(b, `,"id_type":{"Canonical":{"registry":`...)
		b = canon.AppendString(b, id.Key)
		b = append(b, `,"verified":`...)
		if id.Verified {
			b = append(b, `true`...)
		} else {
			b = append(b, `false`...)
		}
		b = append(b, `,"verification_date":`...)
		if id.VerifiedAt.IsZero() {
			b = append(b, `null`...)
		} else {
			b = canon.AppendString(b, app.FormatZ(id.VerifiedAt))
		}
		b = append(b, `}}}`...)
	}
	return string(append(b, ']'))
}

func objectText(m map[string]json.RawMessage) string {
	if len(m) == 0 {
		return "{}"
	}
	return string(canon.AppendObject(nil, m))
}

func uuidsText(ids []uuid.UUID) string {
	if len(ids) == 0 {
		return "[]"
	}
	var b strings.Builder
	b.Grow(2 + 39*len(ids))
	for i, id := range ids {
		if i == 0 {
			b.WriteString(`["`)
		} else {
			b.WriteString(`","`)
		}
		b.WriteString(id.String())
	}
	b.WriteString(`"]`)
	return b.String()
}

// uuidText is the column form of an optional id: "" when there is none.
func uuidText(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}

func uuidFromText(s string) (*uuid.UUID, error) {
	if s == "" {
		return nil, nil
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return nil, err
	}
	return &id, nil
}
