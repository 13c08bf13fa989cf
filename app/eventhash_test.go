package app_test

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/canon"
)

func metadata(t *testing.T, text string) map[string]json.RawMessage {
	t.Helper()
	m, err := canon.Object([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestContentHashVectors are the check values of contract 05 R2.
func TestContentHashVectors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		typ      app.EventType
		metadata string
		want     string
	}{
		{app.EventCreated, `{}`, "5a3ade9fef94a5c16ebb17fb484d302708e8c475cabcdbc3df531aaad778c285"},
		{app.EventEnriched, `{"weight_kg":412.50, "note":"São \u003cb>","nested":{"z":true,"a":null},"batch":7}`, "3b728ab90c997cf45ddb3ca3bf0c9ff0d1645978c6724ff4bd4936060d0ecfb6"},
		{app.EventPushedToCircuit, `{"requester_id":"user-1","operation":"push","circuit_id":"11111111-2222-3333-4444-555555555555"}`, "56c679fceb84070c0021232e70a31b65e1fb867b9a3046a1bf41aa6b2de5baa8"},
	}
	for _, tc := range tests {
		t.Run(string(tc.typ), func(t *testing.T) {
			t.Parallel()
			e := app.Event{DFID: "DFID-20250101-000001-ABCD", Type: tc.typ, Source: "user-1", Metadata: metadata(t, tc.metadata)}
			if got := e.ComputeContentHash(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			e.ID, e.At, e.Visibility, e.Encrypted = uuid.New(), time.Unix(1, 0), app.VisibilityPrivate, true
			if got := e.ComputeContentHash(); got != tc.want {
				t.Errorf("id, time or visibility entered the hash: %s, want %s", got, tc.want)
			}
		})
	}
}

// leafVectors are the leaves of contract 07 §6.5.
var leafVectors = []struct {
	name     string
	typ      app.EventType
	second   int64
	source   string
	metadata string
	want     string
}{
	{"1", app.EventCreated, 1700000000, "system", `{}`, "ee038e2de4110c7e07bd63361eadc4be9ce187d800a8588cfd2ec04d823d408f"},
	{"2", app.EventEnriched, 1700000060, "system", `{"peso":412.5}`, "e16360eb1972f5e427ff2d90827acc50e50bb7b2ad1accd1eb90b26a557ba266"},
	{"3", app.EventPushedToCircuit, 1700000120, "hen-admin-001", `{"obs":{"z":1,"small":0.0000001,"n":null,"f":1.0,"big":1e21,"arr":[true,1e15,1e-5],"a":"<ção> & \"q\"\n` + "\u2028" + `"}}`, "73302251f09b2243e416b7360025c6b942e2bcb5b5f4fe71963671ef02e08a58"},
	{"4", app.EventEnriched, 1700000180, "user-7", `{"obs2":{"lista":["x","y"],"b":2,"a":1}}`, "3808b781f9d7436688b86c08b9c0da32a0a53a55ca25720ce2243362191791d4"},
	{"5", app.EventUpdated, 1700000240, "user-7", `{"c":"z","a":1,"b":{"y":"\u00e9","x":[]}}`, "0f3a773916c7f9be84032444091d182b5b2c6bfdc4d9259cda0cae470e5e4a76"},
}

func TestLeafHashVectors(t *testing.T) {
	t.Parallel()
	for _, tc := range leafVectors {
		t.Run("E"+tc.name, func(t *testing.T) {
			t.Parallel()
			d := strings.Repeat(tc.name, 3)
			id := uuid.MustParse(tc.name + tc.name + d + d + "-" + tc.name + d + "-4" + d + "-8" + d + "-" + d + d + d + d)
			e := app.Event{ID: id, Type: tc.typ, At: time.Unix(tc.second, 0), Source: tc.source, Metadata: metadata(t, tc.metadata)}
			if got := e.ComputeLeafHash(); got != tc.want {
				t.Errorf("%s: got %s, want %s", id, got, tc.want)
			}
			e.At = time.Unix(tc.second, 999_999_999).In(time.FixedZone("BRT", -3*60*60))
			e.DFID, e.Visibility, e.Encrypted, e.ContentHash = "DFID-x", app.VisibilityPrivate, true, "x"
			if got := e.ComputeLeafHash(); got != tc.want {
				t.Errorf("something beside the formula entered the hash: %s, want %s", got, tc.want)
			}
		})
	}
}

func TestLeafHashTimeOutOfRange(t *testing.T) {
	t.Parallel()
	zero := app.Event{At: time.Unix(0, 0)}
	want := zero.ComputeLeafHash()
	for name, tc := range map[string]struct {
		at    time.Time
		zeros bool
	}{
		"no time":             {time.Time{}, true},
		"year 9999":           {time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), true},
		"last second":         {time.Unix(9223372036, 0), false},
		"after the last":      {time.Unix(9223372037, 0), true},
		"first second":        {time.Unix(-9223372036, 0), false},
		"before the first":    {time.Unix(-9223372037, 0), true},
		"a moment after 1970": {time.Unix(0, 1), true},
	} {
		e := app.Event{At: tc.at}
		if got := e.ComputeLeafHash(); (got == want) != tc.zeros {
			t.Errorf("%s: hash equals that of 0: %v, want %v", name, got == want, tc.zeros)
		}
	}
}

func TestEventHashesAgainstSecondImplementation(t *testing.T) {
	t.Parallel()
	types := []app.EventType{app.EventCreated, app.EventMerged, app.EventSplit, app.EventPulledFromCircuit, app.EventStatusChanged}
	rapid.Check(t, func(t *rapid.T) {
		e := app.Event{
			ID:       uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id")),
			DFID:     rapid.StringMatching(`DFID-[0-9]{8}-[0-9]{6}-[0-9A-F]{4}`).Draw(t, "dfid"),
			Type:     rapid.SampledFrom(types).Draw(t, "type"),
			At:       time.Unix(rapid.Int64Range(0, 9_000_000_000).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond")),
			Source:   rapid.StringMatching(`[a-z|é0-9-]{0,40}`).Draw(t, "source"),
			Metadata: map[string]json.RawMessage{},
		}
		pairs := rapid.MapOfN(rapid.StringMatching(`[a-zé_]{1,6}`), rapid.StringMatching(`[a-z é<&]{0,700}`), 0, 6).Draw(t, "metadata")
		for k, v := range pairs {
			e.Metadata[k] = canon.String(v)
		}
		keys := make([]string, 0, len(pairs))
		for k := range pairs {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		m := ""
		for i, k := range keys {
			m += strings.Repeat(",", min(i, 1)) + `"` + k + `":"` + pairs[k] + `"`
		}
		m = "{" + m + "}"
		if got, want := e.ComputeContentHash(), slowBLAKE3([]byte(e.DFID+string(e.Type)+e.Source+m)); got != want {
			t.Fatalf("content hash: got %s, want %s", got, want)
		}
		text := fmt.Sprintf("%s|%s|%d000000000|%s|%s", strings.ToLower(e.ID.String()), e.Type, e.At.Unix(), e.Source, m)
		if e.At.Unix() == 0 {
			text = strings.Replace(text, "|0000000000|", "|0|", 1)
		}
		if got, want := e.ComputeLeafHash(), slowBLAKE3([]byte(text)); got != want {
			t.Fatalf("leaf of %s: got %s, want %s", text, got, want)
		}
	})
}

func BenchmarkEventHashes(b *testing.B) {
	e := app.Event{
		ID: uuid.MustParse("11111111-1111-4111-8111-111111111111"), DFID: "DFID-20250101-000001-F7BD", Type: app.EventPushedToCircuit,
		At: time.Unix(1700000000, 0), Source: "user-12a00000-0000-4000-8000-000000000000",
		Metadata: map[string]json.RawMessage{
			"circuit_id":   canon.String("11111111-2222-3333-4444-555555555555"),
			"requester_id": canon.String("user-12a00000-0000-4000-8000-000000000000"), "operation": canon.String("push"),
		},
	}
	b.ReportAllocs()
	for b.Loop() {
		e.ComputeContentHash()
		e.ComputeLeafHash()
	}
}
