package api

import (
	"context"

	"github.com/defarm-repo/defarm/app/identity"
)

// noTokenText is the contract's text where only a token counts.
const noTokenText = "Missing authentication token"

// authHandlers serves registration, login and sessions (contract 01 §3.2).
type authHandlers struct{ svc *identity.Service }

func (h authHandlers) register(r *registrar) {
	post(r, "/api/auth/register", scopePublic, h.signUp, tag("Authentication"),
		summary("Register an account"),
		describe("Makes an account with 100 credits and logs it in. User name and mail address are unique without regard to case."))
	post(r, "/api/auth/login", scopePublic, h.login, tag("Authentication"),
		summary("Log in"),
		describe("Gives a token for 24 hours. Too many wrong passwords are answered with 429 and Retry-After."))
	session := together(tag("Authentication"), tokenOnly(), unauthText(noTokenText), unmetered())
	get(r, "/api/auth/profile", scopeUser, h.profile, session,
		summary("Show who the token belongs to"))
	post(r, "/api/auth/refresh", scopeUser, h.refresh, session,
		summary("Get a new token for a valid one"),
		describe("The old token stays valid until it expires."))
	post(r, "/api/auth/logout", scopeUser, h.logout, session,
		summary("Void every token of the account"),
		describe("Takes effect at once, on all devices. API keys are not affected."))
}

type registerInput struct {
	Body struct {
		Username      string  `json:"username" doc:"1 to 64 characters; outer blanks are dropped" example:"maria"`
		Password      string  `json:"password" doc:"8 to 72 bytes with an upper-case letter, a lower-case letter, a digit and a special character"`
		Email         string  `json:"email" example:"maria@example.org"`
		WorkspaceName *string `json:"workspace_name,omitempty" doc:"Names the workspace; the user name does when absent"`
	}
}

type loginInput struct {
	Body struct {
		Username    string  `json:"username" example:"maria"`
		Password    string  `json:"password"`
		WorkspaceID *string `json:"workspace_id,omitempty" doc:"Ignored: the session is the account's own workspace"`
	}
}

type sessionJSON struct {
	Token       string  `json:"token" doc:"For the header Authorization: Bearer"`
	UserID      string  `json:"user_id"`
	WorkspaceID *string `json:"workspace_id"`
	ExpiresAt   int64   `json:"expires_at" doc:"Unix seconds"`
}

func sessionFrom(s identity.Session) sessionJSON {
	return sessionJSON{Token: s.Token, UserID: s.UserID, WorkspaceID: orNull(s.WorkspaceID), ExpiresAt: s.ExpiresAt.Unix()}
}

// orNull is null on the wire for a text that is empty.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (h authHandlers) signUp(ctx context.Context, in *registerInput) (*reply[sessionJSON], error) {
	s, err := h.svc.Register(ctx, identity.Registration{
		Username: in.Body.Username, Password: in.Body.Password,
		Email: in.Body.Email, WorkspaceName: in.Body.WorkspaceName,
	}, client(ctx))
	return respond(sessionFrom(s), err)
}

func (h authHandlers) login(ctx context.Context, in *loginInput) (*reply[sessionJSON], error) {
	s, err := h.svc.Login(ctx, identity.Login{Username: in.Body.Username, Password: in.Body.Password}, client(ctx))
	return respond(sessionFrom(s), err)
}

func (h authHandlers) refresh(ctx context.Context, _ *struct{}) (*reply[sessionJSON], error) {
	s, err := h.svc.Refresh(ctx, actor(ctx))
	return respond(sessionFrom(s), err)
}

type messageJSON struct {
	Message string `json:"message"`
}

func (h authHandlers) logout(ctx context.Context, _ *struct{}) (*reply[messageJSON], error) {
	err := h.svc.Logout(ctx, actor(ctx))
	return respond(messageJSON{Message: "Logged out successfully"}, err)
}

type smallProfileJSON struct {
	UserID      string  `json:"user_id"`
	Username    string  `json:"username"`
	Email       string  `json:"email"`
	CreatedAt   int64   `json:"created_at" doc:"Unix seconds"`
	WorkspaceID *string `json:"workspace_id"`
}

func (h authHandlers) profile(ctx context.Context, _ *struct{}) (*reply[smallProfileJSON], error) {
	u, err := h.svc.Profile(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return respond(smallProfileJSON{
		UserID: u.ID, Username: u.Username, Email: u.Email,
		CreatedAt: u.CreatedAt.Unix(), WorkspaceID: orNull(u.WorkspaceID),
	}, nil)
}
