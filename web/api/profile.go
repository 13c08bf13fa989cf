package api

import (
	"context"

	"github.com/defarm-repo/defarm/app"
	"github.com/defarm-repo/defarm/app/identity"
)

// profileHandlers serves the caller's own account (contract 01 §3.4).
type profileHandlers struct{ svc *identity.Service }

func (h profileHandlers) register(r *registrar) {
	own := together(tag("Account"), unauthText("Missing authentication"), busyText("Service temporarily unavailable"), unmetered())
	get(r, "/users/me/profile", scopeUser, h.get, own, summary("Show my account"))
	get(r, "/api/users/me/profile", scopeUser, h.get, own, summary("Show my account (under /api)"))
	get(r, "/credit/users/current", scopeUser, h.get, own, summary("Show my account (front end's path)"))
}

type profileJSON struct {
	UserID       string            `json:"user_id"`
	Username     string            `json:"username"`
	Email        string            `json:"email"`
	Tier         app.Tier          `json:"tier"`
	Credits      int64             `json:"credits"`
	Status       app.AccountStatus `json:"status"`
	IsAdmin      bool              `json:"is_admin"`
	CreatedAt    string            `json:"created_at" format:"date-time"`
	Subscription *subscriptionJSON `json:"subscription" doc:"null without a subscription"`
	Limits       app.TierLimits    `json:"limits"`
}

type subscriptionJSON struct {
	PlanID    string  `json:"plan_id"`
	Status    string  `json:"status"`
	StartedAt string  `json:"started_at" format:"date-time"`
	ExpiresAt *string `json:"expires_at" format:"date-time"`
	AutoRenew bool    `json:"auto_renew"`
}

func profileFrom(u *app.User) profileJSON {
	return profileJSON{
		UserID: u.ID, Username: u.Username, Email: u.Email, Tier: u.Tier, Credits: u.Credits, Status: u.Status,
		IsAdmin: u.IsAdmin, CreatedAt: app.FormatOffset(u.CreatedAt), Limits: u.Tier.Limits(),
	}
}

func (h profileHandlers) get(ctx context.Context, _ *struct{}) (*reply[profileJSON], error) {
	u, err := h.svc.Profile(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return respond(profileFrom(u), nil)
}
