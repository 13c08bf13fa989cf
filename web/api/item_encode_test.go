package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
	"github.com/defarm-repo/defarm/app/registry"
)

// itemFrom is the wire form of an item, from which OpenAPI is made; encodeItem
// must write the same.
func itemFrom(it *app.Item) itemJSON {
	out := itemJSON{
		DFID: it.DFID, Identifiers: make([]identifierJSON, len(it.Identifiers)), Data: it.Data,
		Created: it.CreatedAt.Unix(), Modified: it.ModifiedAt.Unix(),
		SourceEntries: make([]string, len(it.SourceEntries)), Status: itemStatusText(it),
	}
	for i, id := range it.Identifiers {
		out.Identifiers[i] = identifierFrom(id)
	}
	for i, entry := range it.SourceEntries {
		out.SourceEntries[i] = entry.String()
	}
	return out
}

// identifierFrom is the wire form of a stored identifier; appendIdentifier must
// write the same.
func identifierFrom(id app.Identifier) identifierJSON {
	ns, t, scope := shownNamespace(id), "Contextual", id.Scope
	out := identifierJSON{Namespace: &ns, Key: id.Key, Value: id.Value, Type: &t, Scope: &scope}
	if id.Canonical {
		t, out.Scope, out.Verified = "Canonical", nil, &id.Verified
		if !id.VerifiedAt.IsZero() {
			date := app.FormatZ(id.VerifiedAt)
			out.VerificationDate = &date
		}
		out.Warnings = registry.Warnings(id.Key, id.Value)
	}
	return out
}

// The encoder that is fast and the types that are documented agree.
func TestEncodeItemAgreesWithItsType(t *testing.T) {
	t.Parallel()
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "<b>&\u2028", "Açucena", "\"\\\n\t\x00", "\xff"}))
	identifier := rapid.Custom(func(t *rapid.T) app.Identifier {
		id := app.Identifier{
			Namespace: rapid.SampledFrom([]string{"", "bovino", "generic"}).Draw(t, "namespace"),
			Key:       rapid.OneOf(text, rapid.SampledFrom([]string{"sisbov", "rfid", "cpf"})).Draw(t, "key"), Value: text.Draw(t, "value"), Canonical: rapid.Bool().Draw(t, "canonical"),
		}
		switch {
		case !id.Canonical:
			id.Scope = text.Draw(t, "scope")
		case rapid.Bool().Draw(t, "verified"):
			id.Verified = true
			id.VerifiedAt = time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		}
		return id
	})
	rapid.Check(t, func(t *rapid.T) {
		it := &app.Item{
			DFID: text.Draw(t, "dfid"), Identifiers: rapid.SliceOfN(identifier, 0, 4).Draw(t, "identifiers"),
			CreatedAt:  time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "created"), 999_999_999),
			ModifiedAt: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "modified"), 1),
			Status:     rapid.SampledFrom([]app.ItemStatus{app.ItemActive, app.ItemSplit, app.ItemMergedInto}).Draw(t, "status"),
			MergedInto: "5b0c2a42-0000-4000-8000-000000000001",
			Data:       map[string]json.RawMessage{},
		}
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			it.SourceEntries = append(it.SourceEntries, uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "entry")))
		}
		for range rapid.IntRange(0, 4).Draw(t, "data") {
			it.Data[rapid.String().Draw(t, "name")] = canon.AppendString(nil, strings.ToValidUTF8(text.Draw(t, "datum"), ""))
		}
		var want bytes.Buffer
		if err := encodeJSON(&want, itemFrom(it)); err != nil {
			t.Fatal(err)
		}
		got := encodeItem(it)
		// canon leaves U+2028 and U+2029 as they are, encoding/json does not: the
		// same text to every reader.
		var a, b any
		if err := json.Unmarshal(want.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got, &b); err != nil {
			t.Fatalf("not JSON: %v in %s", err, got)
		}
		if diff := cmp.Diff(a, b); diff != "" {
			t.Fatalf("(-type +encoder):\n%s", diff)
		}
	})
}
