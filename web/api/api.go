package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/circuits"
	"github.com/defarm-repo/defarm/app/evidence"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/app/items"
)

// Options is what the edge needs from the composition root. The services,
// Database and Ready are required.
type Options struct {
	Identity *identity.Service
	Items    *items.Service
	Circuits *circuits.Service
	Evidence *evidence.Service

	// Database asks the database for a sign of life (/health/db, /readyz).
	Database func(ctx context.Context) error
	// Ready says why the server should get no requests (/readyz), nil when
	// it should: it is open, and not about to close.
	Ready func(ctx context.Context) error

	// Logger gets the access log and the stacks of panics; default: discard.
	Logger *slog.Logger
	// Metrics gets the HTTP metrics and is what /metrics shows; default: a
	// registry of its own.
	Metrics *prometheus.Registry
	// MetricsPublic opens /metrics to everybody; otherwise it asks for the
	// credential of an administrator.
	MetricsPublic bool
	// Build is what /version shows.
	Build BuildInfo
	// BasePath is the path below which everything is served, as "/defarm";
	// "" and "/" mean the root.
	BasePath string
	// TrustedProxies are the peers whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// RequestTimeout bounds a request from its first byte; default 30 s.
	RequestTimeout time.Duration
	// Tracer makes a span of each request; nil: none.
	Tracer trace.Tracer
	// Env is the clock of the answers that show the time.
	Env app.Env
}

// defaultTimeout is RequestTimeout unless set.
const defaultTimeout = 30 * time.Second

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.RequestTimeout <= 0 {
		o.RequestTimeout = defaultTimeout
	}
	if o.Env.Now == nil {
		o.Env = app.SystemEnv()
	}
	o.BasePath = strings.TrimSuffix(o.BasePath, "/")
	o.Build = o.Build.withDefaults()
	return o
}

func (o Options) check() error {
	var problems []error
	missing := func(absent bool, name string) {
		if absent {
			problems = append(problems, errors.New("api: no "+name))
		}
	}
	missing(o.Identity == nil, "identity service")
	missing(o.Items == nil, "items service")
	missing(o.Circuits == nil, "circuits service")
	missing(o.Evidence == nil, "evidence service")
	return errors.Join(problems...)
}

// New builds the handler of the whole API. It starts nothing and needs no
// closing. The errors are mistakes in the options or in the registration of
// operations, all of them at once.
func New(o Options) (http.Handler, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	b, err := build(o, o.Identity, func(r *registrar) { registerResources(r, o) })
	if err != nil {
		return nil, err
	}
	return b.handler, nil
}

// built is a finished edge with what the guard tests look at.
type built struct {
	handler   http.Handler
	registrar *registrar
}

// build assembles the edge around the system's operations and those that
// register adds.
func build(o Options, auth authenticator, register func(*registrar)) (*built, error) {
	o = o.withDefaults()
	if o.Database == nil || o.Ready == nil {
		return nil, errors.New("api: no Database or Ready function")
	}
	if o.BasePath != "" && (o.BasePath[0] != '/' || strings.ContainsAny(o.BasePath, "{}*?# ")) {
		return nil, errors.New("api: the base path must start with a slash and be a plain path")
	}
	metrics, err := newHTTPMetrics(o.Metrics)
	if err != nil {
		return nil, err
	}
	mux := chi.NewMux()
	g := &gate{auth: auth, bodyTime: o.RequestTimeout}
	r := &registrar{
		api: huma.NewAPI(humaConfig(o), &adapter{mux: mux, g: g}),
		mux: mux, gate: g, seen: map[string]bool{},
	}
	docs := &documents{}
	systemHandlers{o: o, docs: docs}.register(r)
	if err := registerDocs(r, o.BasePath); err != nil {
		return nil, err
	}
	if register != nil {
		register(r)
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	docs.of(r.api.OpenAPI())
	e := &edge{log: o.Logger, metrics: metrics, auth: auth, tracer: o.Tracer, trusted: o.TrustedProxies, timeout: o.RequestTimeout, base: o.BasePath}
	return &built{handler: e.wrap(mux), registrar: r}, nil
}

// humaConfig switches off what huma serves by itself: we serve the document
// and its page, and there are no links to schemas in answers.
func humaConfig(o Options) huma.Config {
	c := huma.Config{
		OpenAPI: document(o),
		// The second name is the one under which huma looks for the format of
		// its errors; the exchange announces both as plain JSON.
		Formats:       map[string]huma.Format{contentJSON: jsonFormat(), contentProblem: jsonFormat()},
		DefaultFormat: contentJSON,
		Transformers:  []huma.Transformer{replaceErrors},
	}
	c.AllowAdditionalPropertiesByDefault = true
	return c
}
