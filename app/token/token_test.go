package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/defarm-repo/defarm/app"
)

const secret = "0123456789abcdef0123456789abcdef"

var t0 = time.Date(2025, 10, 28, 12, 0, 0, 123456789, time.UTC)

func signer(tb testing.TB) *Signer {
	tb.Helper()
	s, err := NewSigner([]byte(secret), func() time.Time { return t0 })
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge signs any header and claims by hand, without the library.
func forge(header, claims, key string) string {
	text := b64(header) + "." + b64(claims)
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

const hs256 = `{"typ":"JWT","alg":"HS256"}`

func claimsJSON(exp int64, more string) string {
	return fmt.Sprintf(`{"user_id":"user-1","workspace_id":"maria-workspace","exp":%d%s}`, exp, more)
}

func TestIssuedTokenIsTheContracts(t *testing.T) {
	t.Parallel()
	raw, expires, err := signer(t).Issue("user-1", "", 3)
	if err != nil {
		t.Fatal(err)
	}
	wantExpiry := time.Date(2025, 10, 29, 12, 0, 0, 0, time.UTC)
	if !expires.Equal(wantExpiry) {
		t.Errorf("expires %v, want %v", expires, wantExpiry)
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("%d segments, want 3", len(parts))
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(parts[0] + "." + parts[1]))
	if want := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); parts[2] != want {
		t.Errorf("signature %q, want %q", parts[2], want)
	}
	wants := []map[string]any{
		{"typ": "JWT", "alg": "HS256"},
		{"user_id": "user-1", "workspace_id": nil, "exp": float64(wantExpiry.Unix()), "gen": float64(3)},
	}
	for i, want := range wants {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatalf("segment %d: %v", i, err)
		}
		var got map[string]any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("segment %d: %v", i, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("segment %d (-want +got):\n%s", i, d)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	s := signer(t)
	raw, expires, err := s.Issue("user-ü", "w-workspace", 9)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := Claims{UserID: "user-ü", WorkspaceID: "w-workspace", ExpiresAt: expires, Generation: 9, HasGeneration: true}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("claims (-want +got):\n%s", d)
	}
	if at := got.IssuedAt(); !at.Equal(t0.Truncate(time.Second)) {
		t.Errorf("issued at %v, want %v", at, t0.Truncate(time.Second))
	}
}

func TestTokensOfTheOriginal(t *testing.T) {
	t.Parallel()
	exp := t0.Unix() + 3600
	cases := []struct {
		name, header, claims string
		want                 Claims
	}{
		{"with workspace", hs256, claimsJSON(exp, ""), Claims{UserID: "user-1", WorkspaceID: "maria-workspace"}},
		{"workspace null", hs256, fmt.Sprintf(`{"user_id":"u","workspace_id":null,"exp":%d}`, exp), Claims{UserID: "u"}},
		{"workspace absent", hs256, fmt.Sprintf(`{"exp":%d,"user_id":"u"}`, exp), Claims{UserID: "u"}},
		{"header without typ", `{"alg":"HS256"}`, claimsJSON(exp, ""), Claims{UserID: "user-1", WorkspaceID: "maria-workspace"}},
		{"ignored claims", hs256, claimsJSON(exp, `,"nbf":99999999999,"iat":99999999999,"iss":5,"sub":[],"jti":{}`),
			Claims{UserID: "user-1", WorkspaceID: "maria-workspace"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := signer(t).Parse(forge(c.header, c.claims, secret))
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			c.want.ExpiresAt = time.Unix(exp, 0).UTC()
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("claims (-want +got):\n%s", d)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	exp := t0.Unix() + 3600
	good := forge(hs256, claimsJSON(exp, ""), secret)
	parts := strings.Split(good, ".")
	hs512 := b64(`{"alg":"HS512"}`) + "." + b64(claimsJSON(exp, ""))
	mac := hmac.New(sha512.New, []byte(secret))
	mac.Write([]byte(hs512))
	cases := []struct{ name, raw, want string }{
		{"empty", "", "InvalidToken"},
		{"API key", "dfm_abcdefgh", "InvalidToken"},
		{"two segments", "a.b", "InvalidToken"},
		{"four segments", good + ".x", "InvalidToken"},
		{"a megabyte of dots", strings.Repeat(".", 1<<20), "InvalidToken"},
		{"header not base64", "!." + parts[1] + "." + parts[2], "Base64 error: *"},
		{"header padded", b64(`{"alg":"HS256"} `) + "=." + parts[1] + "." + parts[2], "Base64 error: *"},
		{"header not JSON", forge(`alg`, claimsJSON(exp, ""), secret), "JSON error: *"},
		{"header without algorithm", forge(`{}`, claimsJSON(exp, ""), secret), "JSON error: missing field `alg`"},
		{"algorithm of a wrong type", forge(`{"alg":5}`, claimsJSON(exp, ""), secret), "JSON error: *"},
		{"algorithm none", forge(`{"alg":"none"}`, claimsJSON(exp, ""), secret), "JSON error: *"},
		{"algorithm none, unsigned", b64(`{"alg":"none"}`) + "." + parts[1] + ".", "JSON error: *"},
		{"algorithm in lower case", forge(`{"alg":"hs256"}`, claimsJSON(exp, ""), secret), "JSON error: *"},
		{"HS512", hs512 + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), "InvalidAlgorithm"},
		{"RS256", forge(`{"alg":"RS256"}`, claimsJSON(exp, ""), secret), "InvalidAlgorithm"},
		{"ES384", forge(`{"alg":"ES384"}`, claimsJSON(exp, ""), secret), "InvalidAlgorithm"},
		{"EdDSA", forge(`{"alg":"EdDSA"}`, claimsJSON(exp, ""), secret), "InvalidAlgorithm"},
		{"algorithm before claims", b64(`{"alg":"RS256"}`) + ".!.!", "InvalidAlgorithm"},
		{"signature not base64", parts[0] + "." + parts[1] + ".!", "Base64 error: *"},
		{"no signature", parts[0] + "." + parts[1] + ".", "InvalidSignature"},
		{"other secret", forge(hs256, claimsJSON(exp, ""), secret+"x"), "InvalidSignature"},
		{"empty secret", forge(hs256, claimsJSON(exp, ""), ""), "InvalidSignature"},
		{"altered claims", parts[0] + "." + b64(claimsJSON(exp, ` `)) + "." + parts[2], "InvalidSignature"},
		{"signature before claims", parts[0] + "." + b64(`nonsense`) + "." + parts[2], "InvalidSignature"},
		{"claims not JSON", forge(hs256, `nonsense`, secret), "JSON error: *"},
		{"no user", forge(hs256, fmt.Sprintf(`{"exp":%d}`, exp), secret), "JSON error: missing field `user_id`"},
		{"user null", forge(hs256, fmt.Sprintf(`{"user_id":null,"exp":%d}`, exp), secret), "JSON error: missing field `user_id`"},
		{"user a number", forge(hs256, fmt.Sprintf(`{"user_id":7,"exp":%d}`, exp), secret), "JSON error: invalid type for field `user_id`"},
		{"no expiry", forge(hs256, `{"user_id":"u"}`, secret), "JSON error: missing field `exp`"},
		{"expiry a text", forge(hs256, `{"user_id":"u","exp":"9999999999"}`, secret), "JSON error: *"},
		{"expiry a fraction", forge(hs256, `{"user_id":"u","exp":9999999999.5}`, secret), "JSON error: *"},
		{"workspace a number", forge(hs256, fmt.Sprintf(`{"user_id":"u","workspace_id":1,"exp":%d}`, exp), secret), "JSON error: *"},
		{"expired", forge(hs256, claimsJSON(t0.Unix()-61, ""), secret), "ExpiredSignature"},
		{"expired long ago", forge(hs256, claimsJSON(0, ""), secret), "ExpiredSignature"},
		{"negative expiry", forge(hs256, claimsJSON(-1, ""), secret), "ExpiredSignature"},
		{"expiry before audience", forge(hs256, claimsJSON(0, `,"aud":"x"`), secret), "ExpiredSignature"},
		{"audience", forge(hs256, claimsJSON(exp, `,"aud":"x"`), secret), "InvalidAudience"},
		{"audiences", forge(hs256, claimsJSON(exp, `,"aud":["x","y"]`), secret), "InvalidAudience"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := signer(t).Parse(c.raw)
			var e *app.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want an *app.Error", err)
			}
			if e.Code != app.CodeUnauthenticated || e.Reason != app.ReasonInvalidToken {
				t.Errorf("code %s, reason %s", e.Code, e.Reason)
			}
			got := strings.TrimPrefix(e.Message, "Invalid token: ")
			if prefix, open := strings.CutSuffix(c.want, "*"); open {
				if !strings.HasPrefix(got, prefix) {
					t.Errorf("reason %q, want the prefix %q", got, prefix)
				}
			} else if got != c.want {
				t.Errorf("reason %q, want %q", got, c.want)
			}
			if strings.Contains(e.Message, "user-1") {
				t.Errorf("the text repeats a claim: %q", e.Message)
			}
		})
	}
}

func TestLeewayIsOneMinute(t *testing.T) {
	t.Parallel()
	for past, want := range map[int64]bool{0: true, 59: true, 60: true, 61: false} {
		_, err := signer(t).Parse(forge(hs256, claimsJSON(t0.Unix()-past, ""), secret))
		if ok := err == nil; ok != want {
			t.Errorf("%d s after expiry: accepted %v (%v), want %v", past, ok, err, want)
		}
	}
}

// What is remembered of a good token must not outlive it, and must be bounded.
func TestRememberedTokensExpire(t *testing.T) {
	t.Parallel()
	now := t0
	s, err := NewSigner([]byte(secret), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	raw, _, err := s.Issue("user-1", "w", 1)
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, again); d != "" {
		t.Errorf("claims the second time (-first +second):\n%s", d)
	}
	if _, err := s.Parse(raw[:len(raw)-4] + "AAAA"); err == nil {
		t.Errorf("another signature on remembered claims is accepted")
	}
	now = t0.Add(Lifetime + leeway + time.Second)
	if _, err := s.Parse(raw); !strings.Contains(fmt.Sprint(err), "ExpiredSignature") {
		t.Errorf("after expiry: %v, want ExpiredSignature", err)
	}
	now = t0
	for i := range 2 * seenShards * seenPerShard {
		s.seen.add(fmt.Sprint(i), Claims{ExpiresAt: t0})
	}
	n := 0
	for i := range s.seen.shards {
		n += len(s.seen.shards[i].tokens)
	}
	if n > seenShards*seenPerShard {
		t.Errorf("%d tokens remembered, want at most %d", n, seenShards*seenPerShard)
	}
}

func TestShortSecretIsRefused(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]bool{0: false, 31: false, 32: true, 64: true} {
		_, err := NewSigner([]byte(strings.Repeat("k", n)), time.Now)
		if ok := err == nil; ok != want {
			t.Errorf("%d bytes: accepted %v, want %v", n, ok, want)
		}
	}
}

// FuzzParse looks for panics, and for tokens that are accepted without the
// signature that an independent HMAC gives.
func FuzzParse(f *testing.F) {
	good := forge(hs256, claimsJSON(t0.Unix()+3600, ""), secret)
	for _, seed := range []string{good, good + ".", "..", "", "a.b.c", forge(`{"alg":"none"}`, "{}", secret), strings.ToUpper(good)} {
		f.Add(seed)
	}
	s := signer(f)
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := s.Parse(raw)
		if err != nil {
			if app.CodeOf(err) != app.CodeUnauthenticated {
				t.Fatalf("code %s, want unauthenticated", app.CodeOf(err))
			}
			return
		}
		cut := strings.LastIndexByte(raw, '.')
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(raw[:cut]))
		sum, decodeErr := base64.RawURLEncoding.DecodeString(raw[cut+1:])
		if decodeErr != nil || !hmac.Equal(sum, mac.Sum(nil)) {
			t.Fatalf("accepted without a signature: %q", raw)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	s := signer(b)
	raw, _, err := s.Issue("user-3f2b8c1e-0000-4000-8000-000000000000", "maria-workspace", 1)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("first time", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.seen = newSeen()
			if _, err := s.Parse(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Parse(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}
