package api

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

func TestParseUUID(t *testing.T) {
	t.Parallel()
	const id = "6f1c2d3e-4a5b-4c6d-8e7f-0123456789ab"
	hex := strings.ReplaceAll(id, "-", "")
	tests := []struct {
		in string
		ok bool
	}{
		{id, true}, {hex, true}, {"{" + id + "}", true}, {"urn:uuid:" + id, true},
		{strings.ToUpper(id), true}, {strings.ToUpper(hex), true}, {"URN:UUID:" + id, true}, {"{" + strings.ToUpper(id) + "}", true},
		{"", false}, {id[:35], false}, {id + "a", false}, {"(" + id + ")", false}, {"{" + id + "]", false}, {"\"" + id + "\"", false},
		{"urn:uuie:" + id, false}, {"{" + hex + "}", false}, {"urn:uuid:" + hex, false},
		{strings.Replace(id, "-", "_", 1), false}, {strings.Replace(id, "a", "g", 1), false},
		{" " + id[1:], false}, {id[:35] + "\x00", false}, {strings.Repeat("é", 16), false}, {strings.Repeat("-", 36), false},
	}
	for _, tt := range tests {
		got, ok := parseUUID(tt.in)
		if ok != tt.ok || (ok && got.String() != id) {
			t.Errorf("%q: got %s %t, want %s %t", tt.in, got, ok, id, tt.ok)
		}
	}
}

func TestPathUUID(t *testing.T) {
	t.Parallel()
	_, err := pathUUID("event_id", canary)
	if app.CodeOf(err) != app.CodeInvalid || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "Invalid URL: UUID parsing failed: ") {
		t.Errorf("got %v, want the contract's 400 without the value", err)
	}
	if id, err := pathUUID("event_id", uuid.Nil.String()); err != nil || id != uuid.Nil {
		t.Errorf("got %v %v, want the nil UUID", id, err)
	}
}

func FuzzParseUUID(f *testing.F) {
	f.Add("6f1c2d3e-4a5b-4c6d-8e7f-0123456789ab")
	f.Add("{6f1c2d3e-4a5b-4c6d-8e7f-0123456789ab}")
	f.Add("urn:uuid:6f1c2d3e-4a5b-4c6d-8e7f-0123456789ab")
	f.Add("6f1c2d3e4a5b4c6d8e7f0123456789ab")
	f.Fuzz(func(t *testing.T, s string) {
		id, ok := parseUUID(s)
		if !ok {
			return
		}
		digits := strings.NewReplacer("-", "", "{", "", "}", "").Replace(strings.ToLower(s))
		digits = strings.TrimPrefix(digits, "urn:uuid:")
		if want := strings.ReplaceAll(id.String(), "-", ""); digits != want {
			t.Errorf("%q was read as %s", s, id)
		}
		if again, ok := parseUUID(id.String()); !ok || again != id {
			t.Errorf("%s does not survive its own text", id)
		}
	})
}
