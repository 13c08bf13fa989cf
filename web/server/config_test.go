package server

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exampleFile is the reference manual of the configuration.
const exampleFile = "../../config.example.yaml"

func TestExampleFileIsTheDefaults(t *testing.T) {
	t.Parallel()
	got, err := Load(Sources{File: exampleFile})
	if err != nil {
		t.Fatalf("the example file does not load: %v", err)
	}
	if diff := cmp.Diff(Defaults(), got.Config); diff != "" {
		t.Errorf("the example file differs from the defaults (-defaults +file):\n%s", diff)
	}
	for key, origin := range got.Origin {
		if origin != fromFile {
			t.Errorf("key %s is missing in the example file (its origin is %q)", key, origin)
		}
	}
}

func TestExampleFileExplainsEachKey(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(raw), "\n")
	for i, line := range lines {
		text := strings.TrimSpace(line)
		if text == "" || strings.HasPrefix(text, "#") || strings.HasPrefix(text, "-") {
			continue
		}
		if i == 0 || !strings.HasPrefix(strings.TrimSpace(lines[i-1]), "#") {
			t.Errorf("line %d has no comment above it: %s", i+1, line)
		}
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "defarm.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "server:\n  listen: 127.0.0.1:1001\nlog:\n  level: warn\n")
	env := []string{"DEFARM_SERVER_LISTEN=127.0.0.1:1002"}
	flags := map[string]string{"server.listen": "127.0.0.1:1003"}
	tests := []struct {
		name   string
		src    Sources
		listen string
		origin string
		level  string
	}{
		{"defaults", Sources{}, "127.0.0.1:3000", "default", "info"},
		{"file", Sources{File: file}, "127.0.0.1:1001", "file", "warn"},
		{"environment over file", Sources{File: file, Environ: env}, "127.0.0.1:1002", "DEFARM_SERVER_LISTEN", "warn"},
		{"flag over environment", Sources{File: file, Environ: env, Flags: flags}, "127.0.0.1:1003", "flag", "warn"},
		{"PORT over file", Sources{File: file, Environ: []string{"PORT=1004"}}, ":1004", "PORT", "warn"},
		{"our name over PORT", Sources{Environ: append([]string{"PORT=1004"}, env...)}, "127.0.0.1:1002", "DEFARM_SERVER_LISTEN", "info"},
		{"empty variables set nothing", Sources{Environ: []string{"PORT=", "DEFARM_SERVER_LISTEN="}}, "127.0.0.1:3000", "default", "info"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := Load(tc.src)
			if err != nil {
				t.Fatal(err)
			}
			if got.Config.Server.Listen != tc.listen || got.Origin["server.listen"] != tc.origin {
				t.Errorf("listen: got %q from %q, want %q from %q", got.Config.Server.Listen, got.Origin["server.listen"], tc.listen, tc.origin)
			}
			if got.Config.Log.Level != tc.level {
				t.Errorf("level: got %q, want %q", got.Config.Log.Level, tc.level)
			}
		})
	}
}

// Every key must be reachable from the environment, whatever its default.
func TestEnvironmentReachesEveryKey(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"server.listen": "127.0.0.1:4000", "server.base_path": "/farm", "server.trusted_proxies": "10.0.0.0/8, 192.168.1.1",
		"server.metrics_public": "true", "data_dir": "elsewhere", "log.level": "debug", "log.format": "json",
		"database.synchronous": "NORMAL", "database.checkpoints": "external", "cache.enabled": "false",
		"auth.jwt_secret": strings.Repeat("k", 40), "auth.password_reset.frontend_url": "https://farm.example.org",
		"limits.enforce_tiers": "true", "limits.enforce_credits": "true",
		"mail.provider": "log", "mail.from_email": "farm@example.org", "mail.from_name": "Farm", "mail.api_key": "secret",
		"mail.api_url": "http://127.0.0.1:9", "mail.directory": "mails", "mail.smtp.host": "mail.example.org",
		"mail.smtp.username": "farm", "mail.smtp.password": "secret", "mail.smtp.security": "tls",
		"tracing.endpoint": "http://127.0.0.1:4318", "tracing.sample_ratio": "0.25",
	}
	defaults := Defaults()
	before := defaults.settings()
	for i, s := range before {
		text, ok := values[s.key]
		if !ok {
			switch s.value.Interface().(type) {
			case time.Duration:
				text = "1234ms"
			case Bytes:
				text = "5 MiB"
				if s.key == "server.max_header_bytes" {
					text = "16 KiB"
				}
			case int:
				text = "7"
			default:
				t.Fatalf("the test has no value for %s", s.key)
			}
		}
		got, err := Load(Sources{Environ: []string{s.env() + "=" + text}})
		if err != nil {
			t.Errorf("%s=%s: %v", s.env(), text, err)
			continue
		}
		after := got.Config.settings()
		if cmp.Equal(before[i].value.Interface(), after[i].value.Interface()) {
			t.Errorf("%s=%s did not change %s, which is still %v", s.env(), text, s.key, after[i].value)
		}
		if got.Origin[s.key] != s.env() {
			t.Errorf("%s: got origin %q, want %q", s.key, got.Origin[s.key], s.env())
		}
	}
}

func TestEnvironmentValues(t *testing.T) {
	t.Parallel()
	got, err := Load(Sources{Environ: []string{
		"DEFARM_DATABASE_WRITER_QUEUE_DEPTH=9",
		"DEFARM_SERVER_TRUSTED_PROXIES=10.0.0.0/8, 192.168.1.1",
		"DEFARM_CACHE_BYTES=10 MB",
		"DEFARM_AUTH_VERIFIED_LOGIN_TTL=0",
		"JWT_SECRET=" + strings.Repeat("s", 32),
		"DEFARM_PORT_3000_TCP=tcp://10.0.0.1:3000",
		"DEFARM_URL=http://127.0.0.1:3000", // no command reads it
		"DEFARM_TOKEN=abc", "DEFARM_API_KEY=abc", "DEFARM_PASSWORD=abc",
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Database.Writer.QueueDepth = 9
	want.Server.TrustedProxies = []string{"10.0.0.0/8", "192.168.1.1"}
	want.Cache.Bytes = 10_000_000
	want.Auth.VerifiedLoginTTL = 0
	want.Auth.JWTSecret = Secret(strings.Repeat("s", 32))
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	warnings := []string{
		"DEFARM_PORT_3000_TCP: this environment variable sets nothing",
		"DEFARM_URL: this environment variable sets nothing",
	}
	if diff := cmp.Diff(warnings, got.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestEveryProblemIsListed(t *testing.T) {
	t.Parallel()
	file := writeFile(t, `
server:
  listen: 3000
  base_path: farm/
  trusted_proxies: [not-an-address]
  request_timeout: 30
  max_connections: 1.5
  colour: red
databse:
  readers: 4
database: {writer: 7, synchronous: SOMETIMES}
cache:
  bytes: lots
auth:
  jwt_secret: short-and-private
  bcrypt_cost: 99
`)
	_, err := Load(Sources{
		File:    file,
		Environ: []string{"DEFARM_CACHE_ENABLED=perhaps", "PORT=http"},
		Flags:   map[string]string{"log.level": "loud"},
	})
	var ce *ConfigError
	if !errors.As(err, &ce) {
		t.Fatalf("got error %v, want a *ConfigError", err)
	}
	want := []string{
		"database.writer: expected a section with keys of its own",
		"databse.readers: unknown key",
		"server.colour: unknown key",
		"server.request_timeout (file): expected a duration with its unit, such as 30s or 5m",
		"server.max_connections (file): expected a whole number",
		"cache.enabled (DEFARM_CACHE_ENABLED): expected true or false",
		"cache.bytes (file): expected a number of bytes such as 4096 or 32 MiB",
		`server.listen: the port must be a number between 0 and 65535, is "http"`,
		`server.base_path: must be empty or start with a slash and not end with one, is "farm/"`,
		`server.trusted_proxies: must hold addresses and CIDR blocks, has "not-an-address"`,
		`log.level: must be one of debug, info, warn, error, is "loud"`,
		`database.synchronous: must be one of FULL, NORMAL, OFF, is "SOMETIMES"`,
		"auth.jwt_secret: must be at least 32 bytes long, has 17",
		"auth.bcrypt_cost: must be between 4 and 20, is 99",
	}
	var got []string
	for _, p := range ce.Problems {
		got = append(got, p.Error())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if strings.Contains(err.Error(), "short-and-private") {
		t.Errorf("the error shows a secret:\n%v", err)
	}
}

func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, file, want string
	}{
		{"missing", filepath.Join(t.TempDir(), "none.yaml"), "no such file"},
		{"not YAML", writeFile(t, "server: [\n"), "configuration file:"},
		{"duplicate key", writeFile(t, "data_dir: a\ndata_dir: b\n"), "already defined"},
		{"whole number for a text", writeFile(t, "data_dir: 7\n"), "data_dir (file): expected a text"},
		{"section for a value", writeFile(t, "data_dir: {a: b}\n"), "data_dir.a: unknown key"},
		{"text for a section", writeFile(t, "server: here\n"), "server: expected a section"},
		{"number in a list of texts", writeFile(t, "server: {trusted_proxies: [1]}\n"), "server.trusted_proxies (file): expected a list of texts"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(Sources{File: tc.file})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(*Config)
		bad  bool
	}{
		{"all interfaces", func(c *Config) { c.Server.Listen = ":0" }, false},
		{"IPv6", func(c *Config) { c.Server.Listen = "[::1]:65535" }, false},
		{"port too high", func(c *Config) { c.Server.Listen = ":65536" }, true},
		{"no port", func(c *Config) { c.Server.Listen = "localhost" }, true},
		{"base path", func(c *Config) { c.Server.BasePath = "/a/b" }, false},
		{"base path is the root", func(c *Config) { c.Server.BasePath = "/" }, true},
		{"base path with dots", func(c *Config) { c.Server.BasePath = "/a/../b" }, true},
		{"base path with a parameter", func(c *Config) { c.Server.BasePath = "/{x}" }, true},
		{"secret of 31 bytes", func(c *Config) { c.Auth.JWTSecret = Secret(strings.Repeat("x", 31)) }, true},
		{"secret of 32 bytes", func(c *Config) { c.Auth.JWTSecret = Secret(strings.Repeat("x", 32)) }, false},
		{"no data directory", func(c *Config) { c.DataDir = " " }, true},
		{"least bcrypt cost", func(c *Config) { c.Auth.BcryptCost = 4 }, false},
		{"below bcrypt's least cost", func(c *Config) { c.Auth.BcryptCost = 3 }, true},
		{"tiny cache", func(c *Config) { c.Cache.Bytes = 1 }, true},
		{"tiny cache, switched off", func(c *Config) { c.Cache.Bytes, c.Cache.Enabled = 1, false }, false},
		{"negative map", func(c *Config) { c.Database.MMap = -1 }, true},
		{"no map", func(c *Config) { c.Database.MMap = 0 }, false},
		{"no queue", func(c *Config) { c.Database.Writer.QueueDepth = 0 }, true},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := Defaults()
			tc.edit(&c)
			if err := c.Validate(); (err != nil) != tc.bad {
				t.Errorf("got error %v, want bad=%v", err, tc.bad)
			}
		})
	}
}
