package server

import (
	"errors"
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

const envPrefix = "DEFARM_"

// otherVariables are read by commands, not by the configuration.
const otherVariables = " DEFARM_API_KEY DEFARM_TOKEN DEFARM_PASSWORD "

// Where a setting came from.
const (
	fromDefault = "default"
	fromFile    = "file"
	fromFlag    = "flag"
)

// Sources are the places that settings come from, weakest first: defaults,
// File, Environ, Flags.
type Sources struct {
	// File is the path of a YAML file; "" for none.
	File string
	// Environ is the environment as os.Environ gives it.
	Environ []string
	// Flags sets keys by their path, as "server.listen".
	Flags map[string]string
}

// Loaded is a configuration with what is worth telling about it.
type Loaded struct {
	Config Config
	// Origin says for each key where its value came from: "default", "file",
	// "flag" or the name of an environment variable.
	Origin map[string]string
	// Warnings are suspicious, but no reason not to start.
	Warnings []string
}

// Load reads the configuration. It lists every problem at once in its error:
// unreadable file, unknown keys, values of the wrong type, values out of
// bounds. Values of secrets are never part of it.
func Load(src Sources) (*Loaded, error) {
	out := &Loaded{Config: Defaults(), Origin: map[string]string{}}
	v := viper.New()
	var problems []error
	if src.File != "" {
		v.SetConfigFile(src.File)
		v.SetConfigType("yaml")
		if err := v.ReadInConfig(); err != nil {
			problems = append(problems, fmt.Errorf("configuration file: %w", err))
		}
	}
	known := out.Config.settings()
	problems = append(problems, unknownKeys(v, known)...)
	for _, s := range known {
		out.Origin[s.key] = fromDefault
		if v.IsSet(s.key) {
			out.Origin[s.key] = fromFile
		}
	}
	out.Warnings = applyEnviron(v, known, src.Environ, out.Origin)
	for key, value := range src.Flags {
		v.Set(key, value)
		out.Origin[key] = fromFlag
	}
	problems = append(problems, decode(v, known, out.Origin)...)
	problems = append(problems, out.Config.problems()...)
	if len(problems) > 0 {
		return nil, &ConfigError{Problems: problems}
	}
	return out, nil
}

// ConfigError lists everything that is wrong with a configuration.
type ConfigError struct{ Problems []error }

// Error gives one line for each problem.
func (e *ConfigError) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	lines = append(lines, "the configuration has "+strconv.Itoa(len(e.Problems))+" problem(s):")
	for _, p := range e.Problems {
		lines = append(lines, "  - "+p.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the single problems.
func (e *ConfigError) Unwrap() []error { return e.Problems }

// unknownKeys compares the file's keys with the struct's. viper knows nothing
// but the file at this point.
func unknownKeys(v *viper.Viper, known []setting) []error {
	names := map[string]bool{}
	sections := map[string]bool{}
	for _, s := range known {
		names[s.key] = true
		for i, c := range s.key {
			if c == '.' {
				sections[s.key[:i]] = true
			}
		}
	}
	keys := v.AllKeys()
	sort.Strings(keys)
	var problems []error
	for _, key := range keys {
		switch {
		case names[key]:
		case !sections[key]:
			problems = append(problems, fmt.Errorf("%s: unknown key", key))
		case v.Get(key) != nil:
			problems = append(problems, fmt.Errorf("%s: expected a section with keys of its own", key))
		}
	}
	return problems
}

// originalVariables are the original's names for settings that we have too.
var originalVariables = []struct{ name, key string }{
	{"JWT_SECRET", "auth.jwt_secret"},
	{"PASSWORD_RESET_RATE_LIMIT_PER_HOUR", "auth.password_reset.per_hour"},
	{"FRONTEND_URL", "auth.password_reset.frontend_url"},
	{"FROM_EMAIL", "mail.from_email"},
	{"FROM_NAME", "mail.from_name"},
	{"SMTP_HOST", "mail.smtp.host"},
	{"SMTP_PORT", "mail.smtp.port"},
	{"SMTP_USERNAME", "mail.smtp.username"},
	{"SMTP_PASSWORD", "mail.smtp.password"},
}

// originalMail chooses the mail provider as the original does: MailerSend when
// its key is there, else SendGrid. Without either, mails are logged when
// PASSWORD_RESET_DEBUG_LOG asks for it.
func originalMail(vars map[string]string, set func(key, name, value string)) {
	for _, p := range []struct{ name, provider string }{
		{"MAILERSEND_API_KEY", "mailersend"}, {"SENDGRID_API_KEY", "sendgrid"},
	} {
		if key, ok := vars[p.name]; ok {
			set("mail.provider", p.name, p.provider)
			set("mail.api_key", p.name, key)
			return
		}
	}
	switch strings.ToLower(strings.TrimSpace(vars["PASSWORD_RESET_DEBUG_LOG"])) {
	case "1", "true", "yes", "on":
		set("mail.provider", "PASSWORD_RESET_DEBUG_LOG", "log")
	}
}

// applyEnviron puts the environment over the file. The original's names
// come before ours for the same settings, so ours win.
func applyEnviron(v *viper.Viper, known []setting, environ []string, origin map[string]string) []string {
	vars := make(map[string]string, len(environ))
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok && value != "" {
			vars[name] = value
		}
	}
	set := func(key, name, value string) {
		v.Set(key, value)
		origin[key] = name
	}
	if port, ok := vars["PORT"]; ok {
		set("server.listen", "PORT", ":"+port)
	}
	for _, o := range originalVariables {
		if value, ok := vars[o.name]; ok {
			set(o.key, o.name, value)
		}
	}
	originalMail(vars, set)
	names := map[string]bool{}
	for _, s := range known {
		names[s.env()] = true
		if value, ok := vars[s.env()]; ok {
			set(s.key, s.env(), value)
		}
	}
	var warnings []string
	for name := range vars {
		if strings.HasPrefix(name, envPrefix) && !names[name] && !strings.Contains(otherVariables, " "+name+" ") {
			// Not an error: orchestrators add variables named after
			// the service (DEFARM_PORT_3000_TCP).
			warnings = append(warnings, name+": this environment variable sets nothing")
		}
	}
	sort.Strings(warnings)
	return warnings
}

// decode writes what viper holds into the known settings, one key at a time, so that every bad value is reported and good ones are kept.
func decode(v *viper.Viper, known []setting, origin map[string]string) []error {
	var problems []error
	for _, s := range known {
		raw := v.Get(s.key)
		if raw == nil {
			continue
		}
		target := reflect.New(s.value.Type())
		d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{Result: target.Interface(), DecodeHook: decodeValue})
		if err == nil {
			err = d.Decode(raw)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s (%s): %w", s.key, origin[s.key], plain(err, s.value.Type())))
			continue
		}
		s.value.Set(target.Elem())
	}
	return problems
}

// errValue is a conversion error of ours, shown as it is.
type errValue string

func (e errValue) Error() string { return string(e) }

// plain replaces the decoder's texts, which name Go types and may quote the
// value.
func plain(err error, t reflect.Type) error {
	var own errValue
	if errors.As(err, &own) {
		return own
	}
	switch t.Kind() {
	case reflect.Slice:
		return errValue("expected a list of texts")
	case reflect.String:
		return errValue("expected a text")
	default:
		return errValue("expected a value of another type")
	}
}

// decodeValue converts the texts of environment and flags, and refuses what
// mapstructure would bend: numbers without a unit as durations, fractions as
// whole numbers.
func decodeValue(from, to reflect.Value) (any, error) {
	text, isText := from.Interface().(string)
	isInt := from.CanInt()
	switch to.Interface().(type) {
	case time.Duration:
		if d, err := time.ParseDuration(text); isText && err == nil {
			return d, nil
		}
		return nil, errValue("expected a duration with its unit, such as 30s or 5m")
	case Bytes:
		if isText {
			b, err := ParseBytes(text)
			if err != nil {
				return nil, errValue(err.Error())
			}
			return b, nil
		}
		if !isInt {
			return nil, errValue("expected a number of bytes such as 4096 or 32 MiB")
		}
	case float64:
		if f, err := strconv.ParseFloat(text, 64); isText && err == nil {
			return f, nil
		}
		if !isInt && !from.CanFloat() {
			return nil, errValue("expected a number")
		}
	case int:
		return wholeNumber(from, text, isText)
	case bool:
		if b, err := strconv.ParseBool(text); isText && err == nil {
			return b, nil
		}
		if from.Kind() != reflect.Bool {
			return nil, errValue("expected true or false")
		}
	case []string:
		if isText {
			return splitList(text), nil
		}
	}
	return from.Interface(), nil
}

func wholeNumber(from reflect.Value, text string, isText bool) (any, error) {
	if n, err := strconv.Atoi(text); isText && err == nil {
		return n, nil
	}
	if !from.CanInt() {
		return nil, errValue("expected a whole number")
	}
	return from.Interface(), nil
}

func splitList(text string) []string {
	out := []string{}
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
