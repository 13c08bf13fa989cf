package server

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minSecret is the least length of a JWT secret, in bytes (contract 01 §1.1).
const minSecret = 32

// Validate reports every value that is out of bounds, as a *ConfigError.
func (c *Config) Validate() error {
	if problems := c.problems(); len(problems) > 0 {
		return &ConfigError{Problems: problems}
	}
	return nil
}

// checker collects problems under the key they belong to.
type checker struct{ problems []error }

func (k *checker) add(key, format string, args ...any) {
	k.problems = append(k.problems, fmt.Errorf("%s: "+format, append([]any{key}, args...)...))
}

func between[T cmp.Ordered](k *checker, key string, value, low, high T) {
	if value < low || value > high {
		k.add(key, "must be between %v and %v, is %v", low, high, value)
	}
}

func oneOf(k *checker, key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		k.add(key, "must be one of %s, is %q", strings.Join(allowed, ", "), value)
	}
}

func (c *Config) problems() []error {
	k := &checker{}
	c.Server.check(k)
	if strings.TrimSpace(c.DataDir) == "" {
		k.add("data_dir", "must name a directory")
	}
	oneOf(k, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(k, "log.format", c.Log.Format, "text", "json")
	c.Database.check(k)
	if c.Cache.Enabled {
		between(k, "cache.bytes", c.Cache.Bytes, 1<<20, 64<<30)
	}
	c.Auth.check(k)
	c.Limits.check(k)
	c.Mail.check(k)
	c.Tracing.check(k)
	return k.problems
}

func (s *ServerConfig) check(k *checker) {
	if _, port, err := net.SplitHostPort(s.Listen); err != nil {
		k.add("server.listen", "must be host:port, is %q", s.Listen)
	} else if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		k.add("server.listen", "the port must be a number between 0 and 65535, is %q", port)
	}
	if s.BasePath != "" && (!strings.HasPrefix(s.BasePath, "/") || s.BasePath == "/" ||
		path.Clean(s.BasePath) != s.BasePath || strings.ContainsAny(s.BasePath, "?#{}*% ")) {
		k.add("server.base_path", "must be empty or start with a slash and not end with one, is %q", s.BasePath)
	}
	if _, err := s.proxies(); err != nil {
		k.add("server.trusted_proxies", "%v", err)
	}
	between(k, "server.request_timeout", s.RequestTimeout, 100*time.Millisecond, time.Hour)
	between(k, "server.read_header_timeout", s.ReadHeaderTimeout, 100*time.Millisecond, 10*time.Minute)
	between(k, "server.idle_timeout", s.IdleTimeout, time.Second, time.Hour)
	between(k, "server.max_header_bytes", s.MaxHeaderBytes, 4<<10, 1<<20)
	between(k, "server.max_connections", s.MaxConnections, 1, 1_000_000)
	between(k, "server.shutdown_timeout", s.ShutdownTimeout, 0, 10*time.Minute)
}

// proxies reads the list of trusted proxies; a single address is a block of
// one.
func (s *ServerConfig) proxies() ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(s.TrustedProxies))
	for _, text := range s.TrustedProxies {
		if addr, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		block, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("must hold addresses and CIDR blocks, has %q", text)
		}
		out = append(out, block.Masked())
	}
	return out, nil
}

func (d *DatabaseConfig) check(k *checker) {
	between(k, "database.readers", d.Readers, 0, 256)
	between(k, "database.mmap", d.MMap, 0, 1<<40)
	oneOf(k, "database.synchronous", d.Synchronous, "FULL", "NORMAL", "OFF")
	between(k, "database.checkpoint_bytes", d.CheckpointBytes, 1<<20, 1<<30)
	oneOf(k, "database.checkpoints", d.Checkpoints, "internal", "external")
	between(k, "database.read_wait", d.ReadWait, time.Millisecond, time.Minute)
	between(k, "database.writer.queue_depth", d.Writer.QueueDepth, 1, 1_000_000)
	between(k, "database.writer.max_batch", d.Writer.MaxBatch, 1, 10_000)
	between(k, "database.writer.admission_timeout", d.Writer.AdmissionTimeout, 0, time.Minute)
	between(k, "database.writer.max_wait", d.Writer.MaxWait, time.Millisecond, time.Minute)
}

func (a *AuthConfig) check(k *checker) {
	if a.JWTSecret != "" && len(a.JWTSecret) < minSecret {
		k.add("auth.jwt_secret", "must be at least %d bytes long, has %d", minSecret, len(a.JWTSecret))
	}
	between(k, "auth.bcrypt_cost", a.BcryptCost, 4, 20)
	between(k, "auth.bcrypt_workers", a.BcryptWorkers, 0, 256)
	between(k, "auth.bcrypt_queue", a.BcryptQueue, 1, 1_000_000)
	between(k, "auth.verified_login_ttl", a.VerifiedLoginTTL, 0, 24*time.Hour)
	t := a.Throttle
	between(k, "auth.throttle.window", t.Window, time.Second, 24*time.Hour)
	between(k, "auth.throttle.per_account_address", t.PerAccountAddress, 0, 1_000_000)
	between(k, "auth.throttle.per_address", t.PerAddress, 0, 1_000_000)
	between(k, "auth.throttle.per_account", t.PerAccount, 0, 1_000_000)
	between(k, "auth.throttle.max_cool_down", t.MaxCoolDown, time.Second, 24*time.Hour)
	between(k, "auth.throttle.signups_per_address", t.SignupsPerAddress, 0, 1_000_000)
	a.Reset.check(k)
	between(k, "auth.key_use_retention_days", a.KeyUseRetention, 1, 3650)
}

// level is the log level; Validate has accepted it.
func (l *LogConfig) level() slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		return slog.LevelInfo
	}
	return level
}
