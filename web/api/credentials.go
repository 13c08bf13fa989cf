package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
	"github.com/defarm-repo/defarm/app/ratelimit"
)

// keyPrefix starts every API key; a value without it is not a key at all and
// is ignored (contract 01 §2.1).
const keyPrefix = "dfm_"

// maxCredential bounds the headers that carry a credential, in bytes: what is
// longer is refused before anything parses it.
const maxCredential = 8 << 10

// authenticator proves credentials. *identity.Service implements it.
type authenticator interface {
	ByToken(ctx context.Context, raw string) (app.Actor, error)
	ByKey(ctx context.Context, raw string, use identity.KeyUse) (identity.KeyGrant, error)
	// Admit counts a request against the limits of the caller's account; key is
	// what ByKey granted it, nil without a key.
	Admit(who app.Actor, key *identity.KeyGrant, byToken bool) (identity.Admission, error)
	// ChargeRequest takes what a request costs the caller, if anything.
	ChargeRequest(ctx context.Context, who app.Actor) error
	// KeyAnswered is told how each request was answered that a key had let in.
	KeyAnswered(r identity.KeyRequest)
}

var _ authenticator = (*identity.Service)(nil)

// gate decides who may enter an operation.
type gate struct {
	auth     authenticator
	bodyTime time.Duration // for receiving a body
}

// credentials is what a request shows. Both may be there.
type credentials struct {
	token string // a bearer token that is no API key
	key   string // starts with keyPrefix
}

// bearerToken returns what follows "Bearer " in an Authorization header. The
// scheme is spelled exactly so; anything else counts as no token.
func bearerToken(header string) (string, bool) {
	return strings.CutPrefix(header, "Bearer ")
}

// shown reads the credentials of a request: the key from X-API-Key, else from
// the bearer token; a bearer token that is a key is never a JWT.
func shown(h http.Header) credentials {
	var c credentials
	if v := h.Get("X-Api-Key"); strings.HasPrefix(v, keyPrefix) {
		c.key = v
	}
	bearer, ok := bearerToken(h.Get("Authorization"))
	switch {
	case !ok:
	case !strings.HasPrefix(bearer, keyPrefix):
		c.token = bearer
	case c.key == "":
		c.key = bearer
	}
	return c
}

// proven is what the credentials of a request were worth.
type proven struct {
	actor  app.Actor
	key    *identity.KeyGrant // of an API key that was shown, whose rules apply
	byUser bool               // a token was shown
}

// prove checks every credential that is shown, the key first (contract 01
// §2.4). With both, the key's rules apply and the identity is the token's.
func (g *gate) prove(w http.ResponseWriter, r *http.Request, rec *request, c credentials, busy string) (proven, *failure) {
	var p proven
	ctx := r.Context()
	if c.key != "" {
		if len(c.key) > maxCredential {
			c.key = keyPrefix // no such key: refused like any other unknown one
		}
		// The escaped path is what was routed: a restriction to
		// "/api/items/A*" must not be met by an escaped slash.
		use := identity.KeyUse{Method: r.Method, Path: r.URL.EscapedPath(), Address: rec.address}
		grant, err := g.auth.ByKey(ctx, c.key, use)
		quotaHeaders(w.Header(), grant.Quota)
		if err != nil {
			return p, failureOf(rec, busy, err)
		}
		p.actor, p.key = grant.Actor, &grant
		rec.key = grant.KeyID
	}
	if c.token != "" {
		if len(c.token) > maxCredential {
			return p, failureOf(rec, busy, app.Unauthenticated(app.ReasonInvalidToken, "Invalid token: InvalidToken"))
		}
		who, err := g.auth.ByToken(ctx, c.token)
		if err != nil {
			return p, failureOf(rec, busy, err)
		}
		p.actor, p.byUser = who, true
	}
	p.actor.Agent = rec.agent
	if rec.address.IsValid() {
		p.actor.Address = rec.address.String()
	}
	return p, nil
}

// quotaHeaders shows the state of a limit (contract 01 §6.3); of two, that of the
// one with less left.
func quotaHeaders(h http.Header, q ratelimit.Verdict) {
	if q.Limit <= 0 {
		return
	}
	if have, err := strconv.ParseInt(h.Get("X-Ratelimit-Remaining"), 10, 64); err == nil && have <= q.Remaining && q.Allowed {
		return
	}
	h.Set("X-Ratelimit-Limit", strconv.FormatInt(q.Limit, 10))
	h.Set("X-Ratelimit-Remaining", strconv.FormatInt(max(0, q.Remaining), 10))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(q.ResetAt.Unix(), 10))
}

// enter lets a request into an operation or says why not: missing or bad
// credential 401, rate 429, flags and rights 403. Public operations do not
// look at credentials; where all are welcome, one that is refused counts as
// none.
func (g *gate) enter(w http.ResponseWriter, r *http.Request, rec *request, rt *route) *failure {
	f := g.check(w, r, rec, rt)
	if f == nil || rt.scope != scopeWelcome || f.status >= http.StatusInternalServerError {
		return f
	}
	rec.actor, rec.key = app.Actor{}, uuid.Nil
	return nil
}

// check is enter by the rules of the credential that is shown.
func (g *gate) check(w http.ResponseWriter, r *http.Request, rec *request, rt *route) *failure {
	switch rt.scope {
	case scopePublic:
		return nil
	case scopeUser, scopeAdmin, scopeOptional, scopeWelcome:
	default:
		return &failure{status: http.StatusForbidden, code: app.CodeForbidden, reason: "denied", message: textDenied}
	}
	c := shown(r.Header)
	if c == (credentials{}) {
		if rt.scope == scopeOptional || rt.scope == scopeWelcome {
			return nil
		}
		return missingCredential(rt.unauthText)
	}
	p, f := g.prove(w, r, rec, c, rt.busyText)
	if f != nil {
		return f
	}
	rec.actor = p.actor
	if f := g.throttle(w, rec, p, rt.busyText); f != nil {
		return f
	}
	if rt.tokenOnly && !p.byUser {
		f := missingCredential(rt.unauthText)
		f.reason = app.ReasonTokenRequired
		return f
	}
	if f := g.permit(rt, r.Method, p); f != nil || rt.unmetered {
		return f
	}
	if err := g.auth.ChargeRequest(r.Context(), p.actor); err != nil {
		return failureOf(rec, rt.busyText, err)
	}
	return nil
}

// throttle counts the request against the limits of the caller's account until it
// is answered. Where they refuse it, the key that it came with is not charged.
func (g *gate) throttle(w http.ResponseWriter, rec *request, p proven, busy string) *failure {
	a, err := g.auth.Admit(p.actor, p.key, p.byUser)
	quotaHeaders(w.Header(), a.Quota)
	if err != nil {
		rec.key = uuid.Nil
		return failureOf(rec, busy, err)
	}
	rec.leave = a.Leave
	return nil
}

// permit checks the key's flags and the administrator's right.
func (g *gate) permit(rt *route, method string, p proven) *failure {
	if p.key != nil {
		if flag, ok := flagFor(method, p.key.Permissions); !ok {
			return missingPermission(flag)
		}
	}
	if rt.scope != scopeAdmin {
		return nil
	}
	if p.key != nil && !p.key.Permissions.Admin {
		return missingPermission("admin")
	}
	if !p.actor.IsAdmin {
		return &failure{
			status: http.StatusForbidden, code: app.CodeForbidden, reason: app.ReasonMissingPermission,
			message: firstText(rt.adminText, textNotAdmin),
		}
	}
	return nil
}

// flagFor names the flag that a method needs and reports whether it is set.
func flagFor(method string, flags app.APIKeyPermissions) (string, bool) {
	if method == http.MethodGet || method == http.MethodHead {
		return "read", flags.Read
	}
	return "write", flags.Write
}

// client describes the connection, for services that act before anybody is
// known (login, registration).
func client(ctx context.Context) identity.Client {
	rec := requestOf(ctx)
	return identity.Client{Address: rec.address, Agent: rec.agent}
}

// notFound answers an unknown path: 404 without a body. A bad credential is
// told first, and a good one is charged, as a key is in the original (contract
// 01 §1.4).
func (g *gate) notFound(w http.ResponseWriter, r *http.Request) {
	resp, rec := responseOf(w, r), requestOf(r.Context())
	f := g.badCredential(resp, r, rec)
	if f == nil {
		f = &failure{status: http.StatusNotFound, empty: true}
	}
	resp.fail(rec, f)
}

// notAllowed answers a method that a known path does not have: 405 without a
// body, after the credentials where the path is guarded.
func (g *gate) notAllowed(path, allow string, guarded bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		resp, rec := responseOf(w, r), requestOf(r.Context())
		rec.route = path
		var f *failure
		if guarded {
			f = g.badCredential(resp, r, rec)
		}
		if f == nil {
			resp.Header().Set("Allow", allow)
			f = &failure{status: http.StatusMethodNotAllowed, empty: true}
		}
		resp.fail(rec, f)
	}
}

func (g *gate) badCredential(w http.ResponseWriter, r *http.Request, rec *request) *failure {
	c := shown(r.Header)
	if c == (credentials{}) {
		return nil
	}
	p, f := g.prove(w, r, rec, c, "")
	rec.actor = p.actor
	if f != nil {
		return f
	}
	return g.throttle(w, rec, p, "")
}
