package app_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
)

// contractItem is the item of contract 04 §8.3.
func contractItem(t *testing.T) *app.Item {
	t.Helper()
	local := uuid.MustParse("12a00000-0000-4000-8000-000000000000")
	at := time.Date(2025, 10, 13, 15, 50, 20, 0, time.UTC)
	return &app.Item{
		Row: 7, DFID: "DFID-20251013-000001-CEEF", LocalID: &local, OwnerID: "user-1", WorkspaceID: "w",
		Identifiers: []app.Identifier{{Namespace: "bovino", Key: "sisbov", Value: "BR123456789012", Canonical: true}},
		Aliases: []app.ExternalAlias{{
			Scheme: "user:user-1", Value: local.String(), IssuerID: "user-1", IssuedAt: at,
			EvidenceHash: strings.Repeat("ab", 32),
		}},
		Data:      metadata(t, `{"breed":"Nelore"}`),
		CreatedAt: at, ModifiedAt: at,
		SourceEntries: []uuid.UUID{uuid.MustParse("99999999-0000-4000-8000-000000000000")},
		Confidence:    1, Status: app.ItemActive, MerkleRoot: "not published", EventCount: 3,
	}
}

func TestItemDocumentOfTheContract(t *testing.T) {
	t.Parallel()
	got, err := app.ItemDocument(contractItem(t))
	if err != nil {
		t.Fatal(err)
	}
	// The text of contract 04 §8.3, in its order, with the places it leaves
	// out filled in.
	const contract = `{"dfid":"DFID-20251013-000001-CEEF","local_id":"12a00000-0000-4000-8000-000000000000","legacy_mode":false,
 "identifiers":[{"namespace":"bovino","key":"sisbov","value":"BR123456789012","id_type":{"Canonical":{"registry":"sisbov","verified":false,"verification_date":null}}}],
 "aliases":[{"scheme":"user:user-1","value":"12a00000-0000-4000-8000-000000000000","issuer_id":"user-1","issued_at":"2025-10-13T15:50:20Z","evidence_hash":"abababababababababababababababababababababababababababababababab"}],
 "fingerprint":null,"enriched_data":{"breed":"Nelore"},
 "creation_timestamp":"2025-10-13T15:50:20Z","last_modified":"2025-10-13T15:50:20Z",
 "source_entries":["99999999-0000-4000-8000-000000000000"],"confidence_score":1.0,"status":"Active"}`
	want, err := canon.Canonical([]byte(contract))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestItemDocumentBytes(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 1, 2, 3, 4, 5, 999_999_999, time.FixedZone("BRT", -3*60*60))
	empty := func(change func(*app.Item)) *app.Item {
		it := &app.Item{DFID: "D", Status: app.ItemActive, Confidence: 1, CreatedAt: at, ModifiedAt: at}
		change(it)
		return it
	}
	const bare = `{"aliases":[],"confidence_score":1.0,"creation_timestamp":"2025-01-02T06:04:05Z","dfid":"D","enriched_data":{},"fingerprint":null,"identifiers":[],"last_modified":"2025-01-02T06:04:05Z","legacy_mode":false,"local_id":null,"source_entries":[],"status":"Active"}`
	tests := []struct {
		name     string
		it       *app.Item
		old, new string
	}{
		{"bare", empty(func(*app.Item) {}), "", ""},
		{"legacy", empty(func(it *app.Item) { it.LegacyMode = true }), `"legacy_mode":false`, `"legacy_mode":true`},
		{"fingerprint", empty(func(it *app.Item) { it.Fingerprint = "ff" }), `"fingerprint":null`, `"fingerprint":"ff"`},
		{"confidence", empty(func(it *app.Item) { it.Confidence = 0.85 }), `_score":1.0`, `_score":0.85`},
		{"deprecated", empty(func(it *app.Item) { it.Status = app.ItemDeprecated }), `"Active"`, `"Deprecated"`},
		{"merged into", empty(func(it *app.Item) { it.Status, it.MergedInto = app.ItemMergedInto, `a"b` }), `"Active"`, `{"MergedInto":"a\"b"}`},
		{"data sorted", empty(func(it *app.Item) {
			it.Data = map[string]json.RawMessage{"b": json.RawMessage(`1.0`), "a": json.RawMessage(`"<ç>"`)}
		}), `data":{}`, `data":{"a":"<ç>","b":1.0}`},
		{"contextual", empty(func(it *app.Item) {
			it.Identifiers = []app.Identifier{{Namespace: "soja", Key: "lote", Value: "São\n1", Scope: "user"}, {Scope: "x"}}
		}), `fiers":[]`, `fiers":[{"id_type":{"Contextual":{"scope":"user"}},"key":"lote","namespace":"soja","value":"São\n1"},{"id_type":{"Contextual":{"scope":"x"}},"key":"","namespace":"","value":""}]`},
		{"verified", empty(func(it *app.Item) {
			it.Identifiers = []app.Identifier{{Namespace: "bovino", Key: "rfid", Value: "1", Canonical: true, Verified: true, VerifiedAt: at}}
		}), `fiers":[]`, `fiers":[{"id_type":{"Canonical":{"registry":"rfid","verification_date":"2025-01-02T06:04:05.999999999Z","verified":true}},"key":"rfid","namespace":"bovino","value":"1"}]`},
		{"two sources", empty(func(it *app.Item) { it.SourceEntries = []uuid.UUID{{}, {1}} }), `ries":[]`, `ries":["00000000-0000-0000-0000-000000000000","01000000-0000-0000-0000-000000000000"]`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := app.ItemDocument(tc.it)
			if want := strings.Replace(bare, tc.old, tc.new, 1); err != nil || string(got) != want {
				t.Errorf("%v\n got %s\nwant %s", err, got, want)
			}
		})
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if b, err := app.ItemDocument(empty(func(it *app.Item) { it.Confidence = f })); err == nil || b != nil {
			t.Errorf("confidence %g: got %s; want an error", f, b)
		}
	}
}

// TestItemDocumentIsCanonical also checks that the identifiers are the ones
// that Identifier's own JSON gives.
func TestItemDocumentIsCanonical(t *testing.T) {
	t.Parallel()
	text := rapid.StringMatching(`[a-zA-Z "\\\n<é🐄]{0,5}`)
	rapid.Check(t, func(t *rapid.T) {
		it := &app.Item{
			DFID: text.Draw(t, "dfid"), Status: app.ItemActive, Confidence: rapid.Float64Range(-1e30, 1e30).Draw(t, "confidence"),
			CreatedAt: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "created"), 5), Data: map[string]json.RawMessage{},
		}
		for k, v := range rapid.MapOfN(text, text, 0, 4).Draw(t, "data") {
			it.Data[k] = canon.String(v)
		}
		for range rapid.IntRange(0, 3).Draw(t, "identifiers") {
			id := app.Identifier{Namespace: text.Draw(t, "namespace"), Key: text.Draw(t, "key"), Value: text.Draw(t, "value")}
			if id.Canonical = rapid.Bool().Draw(t, "canonical"); !id.Canonical {
				id.Scope = text.Draw(t, "scope")
			} else if id.Verified = rapid.Bool().Draw(t, "verified"); id.Verified {
				id.VerifiedAt = time.Unix(0, rapid.Int64Range(1, 1<<60).Draw(t, "verified at")).UTC()
			}
			it.Identifiers = append(it.Identifiers, id)
		}
		doc, err := app.ItemDocument(it)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := canon.Canonical(doc); err != nil || string(c) != string(doc) {
			t.Fatalf("not canonical (%v):\n got %s\nwant %s", err, doc, c)
		}
		var back struct {
			Identifiers []app.Identifier `json:"identifiers"`
		}
		if err := json.Unmarshal(doc, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(it.Identifiers, back.Identifiers, cmp.Comparer(app.Identifier.Equal)); diff != "" && len(it.Identifiers) > 0 {
			t.Fatalf("identifiers (-want +got):\n%s", diff)
		}
	})
}

func BenchmarkItemDocument(b *testing.B) {
	local := uuid.New()
	it := &app.Item{
		DFID: "DFID-20251013-000001-CEEF", LocalID: &local, Status: app.ItemActive, Confidence: 1,
		Identifiers: []app.Identifier{
			{Namespace: "bovino", Key: "sisbov", Value: "BR123456789012", Canonical: true},
			{Namespace: "bovino", Key: "rfid", Value: "076000000000001", Canonical: true},
		},
		Data: map[string]json.RawMessage{"breed": canon.String("Nelore"), "sex": canon.String("F"), "weight_kg": json.RawMessage("412.5")},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := app.ItemDocument(it); err != nil {
			b.Fatal(err)
		}
	}
}
