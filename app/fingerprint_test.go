package app_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/defarm-repo/defarm/app"
)

func TestFingerprint(t *testing.T) {
	t.Parallel()
	lot := app.Identifier{Namespace: "soja", Key: "lote", Value: "7", Scope: "user"}
	harvest := app.Identifier{Namespace: "soja", Key: "safra", Value: "2025", Scope: "user"}
	verified := lot
	verified.VerifiedAt, verified.Scope = time.Unix(1, 0), "organization"
	tests := []struct {
		name string
		ids  []app.Identifier
		text string
	}{
		{"none", nil, "user:user-1|ids:"},
		{"one", []app.Identifier{lot}, "user:user-1|ids:soja:lote:7"},
		{"sorted", []app.Identifier{harvest, lot}, "user:user-1|ids:soja:lote:7|soja:safra:2025"},
		{"each once", []app.Identifier{lot, harvest, verified, lot}, "user:user-1|ids:soja:lote:7|soja:safra:2025"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(tc.ids)
			if got, want := app.Fingerprint("user-1", tc.ids), slowBLAKE3([]byte(tc.text)); got != want {
				t.Errorf("got %s, want %s, the hash of %s", got, want, tc.text)
			}
			if !slices.EqualFunc(before, tc.ids, app.Identifier.Equal) {
				t.Errorf("the identifiers were reordered to %v", tc.ids)
			}
			if app.Fingerprint("user-1", tc.ids) == app.Fingerprint("user-2", tc.ids) {
				t.Error("two users share a fingerprint")
			}
		})
	}
}

func TestFingerprintProperties(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[a-cé]{1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) app.Identifier {
			return app.Identifier{Namespace: "generic", Key: word.Draw(t, "key"), Value: word.Draw(t, "value"), Canonical: rapid.Bool().Draw(t, "canonical")}
		}), 1, 8).Draw(t, "ids")
		user := rapid.StringMatching(`user-[0-9]{1,4}`).Draw(t, "user")
		seen := map[string]bool{}
		for _, id := range ids {
			seen[id.Namespace+":"+id.Key+":"+id.Value] = true
		}
		var keys []string
		for k := range seen {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		want := slowBLAKE3([]byte("user:" + user + "|ids:" + strings.Join(keys, "|")))
		got := app.Fingerprint(user, rapid.Permutation(append(ids, ids[0])).Draw(t, "order"))
		if got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
}
