package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/defarm-repo/defarm/app"
)

// BuildInfo says which build is running. Empty fields are shown as "unknown".
type BuildInfo struct {
	Version   string // of the package; default 0.1.0, as the original
	Commit    string // full hash
	BuildTime string // UTC, to the second, ending in Z
	GoVersion string // default: the running toolchain's
}

func (b BuildInfo) withDefaults() BuildInfo {
	return BuildInfo{
		Version:   firstText(b.Version, "0.1.0"),
		Commit:    firstText(b.Commit, "unknown"),
		BuildTime: firstText(b.BuildTime, "unknown"),
		GoVersion: firstText(b.GoVersion, runtime.Version()),
	}
}

// pingTimeout bounds the question to the database in health checks.
const pingTimeout = time.Second

// systemHandlers serve what is about the server itself.
type systemHandlers struct {
	o    Options
	docs *documents
}

func (h systemHandlers) register(r *registrar) {
	system := tag("System")
	get(r, "/", scopePublic, h.card, summary("What this server is"), system)
	get(r, "/health", scopePublic, h.health, summary("Liveness, as the original tells it"), system,
		describe("Never touches the database."))
	get(r, "/health/db", scopePublic, h.healthDB, summary("State of the database"), system,
		describe("Asks the database with a short timeout. 503 with the same shape when it does not answer."))
	get(r, "/livez", scopePublic, h.livez, summary("Liveness, for an orchestrator"), system)
	get(r, "/readyz", scopePublic, h.readyz, summary("Readiness, for a load balancer"), system,
		describe("503 when the database does not answer, and while the server is closing."))
	for _, path := range []string{"/version", "/api/version"} {
		get(r, path, scopePublic, h.version, summary("Which build is running"), system)
	}
	r.page("/openapi.json", scopePublic, h.document("application/openapi+json", func() ([]byte, error) { return h.docs.json() }),
		summary("OpenAPI document"))
	r.page("/openapi.yaml", scopePublic, h.document("application/openapi+yaml", func() ([]byte, error) { return h.docs.yaml() }),
		summary("OpenAPI document as YAML"))

	// A peer on the loopback gets no exception: behind a reverse proxy on the
	// same host everybody is one. A scraper sends an administrator's API key
	// as bearer token, or the operator opens the page by configuration.
	metricsScope := scopeAdmin
	if h.o.MetricsPublic {
		metricsScope = scopePublic
	}
	r.page("/metrics", metricsScope,
		promhttp.HandlerFor(h.o.Metrics, promhttp.HandlerOpts{}), summary("Prometheus metrics"))
}

type cardJSON struct {
	Name        string   `json:"name" example:"DeFarm Traceability API"`
	Version     string   `json:"version"`
	Description string   `json:"description"`
	Features    []string `json:"features"`
}

func (h systemHandlers) card(context.Context, *struct{}) (*reply[cardJSON], error) {
	return respond(cardJSON{
		Name:        "DeFarm Traceability API",
		Version:     h.o.Build.Version,
		Description: "Traceability for agricultural products: items, circuits, events, receipts and proofs",
		Features: []string{
			"Receipts with cryptographic hashes",
			"Items with canonical and contextual identifiers",
			"Circuits with roles and permissions",
			"Events with visibility",
			"Tokenization and DFIDs",
			"Storage adapters and their history",
			"Merkle trees and state snapshots",
			"Zero-knowledge proofs",
			"Audit trail and compliance reports",
			"Notifications and webhooks",
		},
	}, nil)
}

type healthJSON struct {
	Status    string `json:"status" example:"healthy"`
	Timestamp string `json:"timestamp" format:"date-time"`
	Uptime    string `json:"uptime" example:"System operational"`
}

func (h systemHandlers) health(context.Context, *struct{}) (*reply[healthJSON], error) {
	return respond(healthJSON{Status: "healthy", Timestamp: app.FormatZ(h.o.Env.Now()), Uptime: "System operational"}, nil)
}

type databaseStateJSON struct {
	Status    string `json:"status" enum:"connected,failed"`
	Message   string `json:"message"`
	Timestamp string `json:"timestamp" format:"date-time"`
}

type databaseHealthJSON struct {
	Database databaseStateJSON `json:"database"`
}

type databaseHealthOutput struct {
	Status int
	Body   databaseHealthJSON
}

func (h systemHandlers) healthDB(ctx context.Context, _ *struct{}) (*databaseHealthOutput, error) {
	out := &databaseHealthOutput{Status: http.StatusOK}
	out.Body.Database = databaseStateJSON{
		Status: "connected", Message: "The database answers", Timestamp: app.FormatZ(h.o.Env.Now()),
	}
	if err := h.ping(ctx); err != nil {
		out.Status = http.StatusServiceUnavailable
		out.Body.Database.Status = "failed"
		out.Body.Database.Message = "The database does not answer"
		noteCause(ctx, err)
	}
	return out, nil
}

func (h systemHandlers) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return h.o.Database(ctx)
}

// noteCause puts the reason of a 503 that is no error into the access log.
func noteCause(ctx context.Context, err error) {
	rec := requestOf(ctx)
	rec.code, rec.reason, rec.cause = string(app.CodeBusy), "not_ready", err
}

type livezJSON struct {
	Status string `json:"status" example:"alive"`
}

func (h systemHandlers) livez(context.Context, *struct{}) (*reply[livezJSON], error) {
	return respond(livezJSON{Status: "alive"}, nil)
}

type readyChecksJSON struct {
	Server   string `json:"server" enum:"ok,failed"`
	Database string `json:"database" enum:"ok,failed"`
}

type readyzJSON struct {
	Status string          `json:"status" enum:"ready,not_ready"`
	Checks readyChecksJSON `json:"checks"`
}

type readyzOutput struct {
	Status     int
	RetryAfter string `header:"Retry-After"`
	Body       readyzJSON
}

func (h systemHandlers) readyz(ctx context.Context, _ *struct{}) (*readyzOutput, error) {
	out := &readyzOutput{Status: http.StatusOK}
	out.Body = readyzJSON{Status: "ready", Checks: readyChecksJSON{Server: "ok", Database: "ok"}}
	fail := func(check *string, err error) {
		if err != nil {
			*check, out.Body.Status = "failed", "not_ready"
			out.Status, out.RetryAfter = http.StatusServiceUnavailable, "1"
			noteCause(ctx, err)
		}
	}
	fail(&out.Body.Checks.Server, h.o.Ready(ctx))
	fail(&out.Body.Checks.Database, h.ping(ctx))
	return out, nil
}

type versionJSON struct {
	Service     string `json:"service"`
	Version     string `json:"version"`
	Commit      string `json:"commit"`
	BuildTime   string `json:"build_time"`
	RustVersion string `json:"rust_version" doc:"Always unknown: kept for clients of the original."`
	GoVersion   string `json:"go_version"`
}

type versionOutput struct {
	Commit string `header:"X-Commit"`
	Body   versionJSON
}

func (h systemHandlers) version(context.Context, *struct{}) (*versionOutput, error) {
	b := h.o.Build
	return &versionOutput{Commit: b.Commit, Body: versionJSON{
		Service: "DeFarm Engines API", Version: b.Version, Commit: b.Commit, BuildTime: b.BuildTime,
		RustVersion: "unknown", GoVersion: b.GoVersion,
	}}, nil
}

// document serves bytes that are known when the first request comes.
func (h systemHandlers) document(contentType string, encode func() ([]byte, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, rec := responseOf(w, r), requestOf(r.Context())
		body, err := encode()
		if err != nil {
			resp.fail(rec, failureOf(rec, "", fmt.Errorf("encode OpenAPI document: %w", err)))
			return
		}
		resp.Header().Set("Content-Type", contentType)
		_ = resp.whole(http.StatusOK, body) // a failed write is a client that is gone
	})
}
