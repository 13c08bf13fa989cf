package server

import (
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Config is everything that an operator can set. config.example.yaml explains
// each key; a test keeps the two in step. The zero value is not usable: start
// from Defaults or Load.
type Config struct {
	Server   ServerConfig   `mapstructure:"server"`
	DataDir  string         `mapstructure:"data_dir"`
	Log      LogConfig      `mapstructure:"log"`
	Database DatabaseConfig `mapstructure:"database"`
	Cache    CacheConfig    `mapstructure:"cache"`
	Auth     AuthConfig     `mapstructure:"auth"`
	Limits   LimitsConfig   `mapstructure:"limits"`
	Mail     MailConfig     `mapstructure:"mail"`
	Tracing  TracingConfig  `mapstructure:"tracing"`
}

// ServerConfig is the HTTP listener.
type ServerConfig struct {
	// Listen is host:port. An empty host is every interface, port 0 a free
	// port.
	Listen string `mapstructure:"listen"`
	// BasePath is put before every path: "" or "/x/y", no slash at the end.
	BasePath string `mapstructure:"base_path"`
	// TrustedProxies are the addresses and CIDR blocks whose X-Forwarded-*
	// headers are believed.
	TrustedProxies    []string      `mapstructure:"trusted_proxies"`
	RequestTimeout    time.Duration `mapstructure:"request_timeout"`
	ReadHeaderTimeout time.Duration `mapstructure:"read_header_timeout"`
	IdleTimeout       time.Duration `mapstructure:"idle_timeout"`
	MaxHeaderBytes    Bytes         `mapstructure:"max_header_bytes"`
	MaxConnections    int           `mapstructure:"max_connections"`
	// ShutdownTimeout bounds how long Close waits for requests in flight.
	ShutdownTimeout time.Duration `mapstructure:"shutdown_timeout"`
	// MetricsPublic serves /metrics without a credential.
	MetricsPublic bool `mapstructure:"metrics_public"`
}

// LogConfig says what is logged, and how. Logs go to standard error.
type LogConfig struct {
	Level  string `mapstructure:"level"`  // debug, info, warn or error
	Format string `mapstructure:"format"` // text or json
}

// DatabaseConfig is the SQLite engine.
type DatabaseConfig struct {
	Readers         int           `mapstructure:"readers"` // 0: twice the cores
	MMap            Bytes         `mapstructure:"mmap"`    // budget of all connections together; 0: off
	Synchronous     string        `mapstructure:"synchronous"`
	CheckpointBytes Bytes         `mapstructure:"checkpoint_bytes"`
	Checkpoints     string        `mapstructure:"checkpoints"` // internal or external
	ReadWait        time.Duration `mapstructure:"read_wait"`
	Writer          WriterConfig  `mapstructure:"writer"`
}

// WriterConfig is the writer queue (design §4).
type WriterConfig struct {
	QueueDepth       int           `mapstructure:"queue_depth"`
	MaxBatch         int           `mapstructure:"max_batch"`
	AdmissionTimeout time.Duration `mapstructure:"admission_timeout"`
	MaxWait          time.Duration `mapstructure:"max_wait"`
}

// CacheConfig is the in-process cache (design §5).
type CacheConfig struct {
	Enabled bool  `mapstructure:"enabled"`
	Bytes   Bytes `mapstructure:"bytes"`
}

// AuthConfig is how people log in.
type AuthConfig struct {
	// JWTSecret signs tokens, at least 32 bytes. Empty: the key in the data
	// directory, made on first start.
	JWTSecret        Secret         `mapstructure:"jwt_secret"`
	BcryptCost       int            `mapstructure:"bcrypt_cost"`
	BcryptWorkers    int            `mapstructure:"bcrypt_workers"` // 0: the cores
	BcryptQueue      int            `mapstructure:"bcrypt_queue"`
	VerifiedLoginTTL time.Duration  `mapstructure:"verified_login_ttl"` // 0: off
	Throttle         ThrottleConfig `mapstructure:"throttle"`
	Reset            ResetConfig    `mapstructure:"password_reset"`
	// KeyUseRetention is how long the use of API keys is kept, in days.
	KeyUseRetention int `mapstructure:"key_use_retention_days"`
}

// ThrottleConfig bounds failed logins and registrations. A limit of 0 is off.
type ThrottleConfig struct {
	Window            time.Duration `mapstructure:"window"`
	PerAccountAddress int           `mapstructure:"per_account_address"`
	PerAddress        int           `mapstructure:"per_address"`
	PerAccount        int           `mapstructure:"per_account"`
	MaxCoolDown       time.Duration `mapstructure:"max_cool_down"`
	SignupsPerAddress int           `mapstructure:"signups_per_address"`
}

// Defaults is the configuration without file, environment and flags.
func Defaults() Config {
	return Config{
		Server: ServerConfig{
			Listen:            "127.0.0.1:3000",
			TrustedProxies:    []string{},
			RequestTimeout:    30 * time.Second,
			ReadHeaderTimeout: 5 * time.Second,
			IdleTimeout:       90 * time.Second,
			MaxHeaderBytes:    32 << 10,
			MaxConnections:    4096,
			ShutdownTimeout:   15 * time.Second,
		},
		DataDir: "./data",
		Log:     LogConfig{Level: "info", Format: "text"},
		Database: DatabaseConfig{
			MMap:            128 << 20,
			Synchronous:     "FULL",
			CheckpointBytes: 16 << 20,
			Checkpoints:     "internal",
			ReadWait:        50 * time.Millisecond,
			Writer: WriterConfig{
				QueueDepth:       1024,
				MaxBatch:         128,
				AdmissionTimeout: 50 * time.Millisecond,
				MaxWait:          time.Second,
			},
		},
		Cache: CacheConfig{Enabled: true, Bytes: 64 << 20},
		Auth: AuthConfig{
			BcryptCost:       12,
			BcryptQueue:      256,
			VerifiedLoginTTL: 5 * time.Minute,
			Throttle: ThrottleConfig{
				Window:            15 * time.Minute,
				PerAccountAddress: 10,
				PerAddress:        100,
				PerAccount:        100,
				MaxCoolDown:       2 * time.Minute,
				SignupsPerAddress: 1000,
			},
			Reset:           ResetConfig{PerHour: 3},
			KeyUseRetention: 400,
		},
		Limits:  defaultLimits(),
		Mail:    defaultMail(),
		Tracing: TracingConfig{SampleRatio: 1},
	}
}

// Bytes is a number of bytes. Files and the environment may write it as a
// number or as "32 MiB".
type Bytes int64

// ParseBytes reads "4096", "32 MiB" or "10 MB".
func ParseBytes(s string) (Bytes, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n > 1<<62 {
		return 0, fmt.Errorf("expected a number of bytes such as 4096 or 32 MiB")
	}
	return Bytes(n), nil
}

// String writes the number as people do.
func (b Bytes) String() string {
	if b < 0 {
		return fmt.Sprint(int64(b))
	}
	return humanize.IBytes(uint64(b))
}

// Secret is a text that must not be shown: formatting and logging print a mask.
type Secret string

// String returns a mask, or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "********"
}

// GoString masks the secret for %#v too.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// LogValue masks the secret in structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// setting is one key of the configuration with its current value.
type setting struct {
	key   string // "database.writer.queue_depth"
	value reflect.Value
}

// env is the name of the environment variable that sets the key.
func (s setting) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// settings lists the keys in the order of the struct.
func (c *Config) settings() []setting {
	return walkSettings(nil, "", reflect.ValueOf(c).Elem())
}

func walkSettings(out []setting, prefix string, v reflect.Value) []setting {
	for i := range v.NumField() {
		key := prefix + v.Type().Field(i).Tag.Get("mapstructure")
		if v.Field(i).Kind() == reflect.Struct {
			out = walkSettings(out, key+".", v.Field(i))
			continue
		}
		out = append(out, setting{key: key, value: v.Field(i)})
	}
	return out
}
