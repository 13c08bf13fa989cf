package api

import (
	"context"

	"github.com/defarm-repo/defarm/app/identity"
)

// passwordResetHandlers serves forgotten passwords (contract 01 §3.2).
type passwordResetHandlers struct{ svc *identity.Service }

func (h passwordResetHandlers) register(r *registrar) {
	family := together(tag("Authentication"), busyText("Service temporarily unavailable, please retry"))
	post(r, "/api/auth/forgot-password", scopePublic, h.forgot, family,
		summary("Ask for a password reset"),
		describe("If there is such an account, a mail with a link goes to its address. The answer is the same in any case."))
	post(r, "/api/auth/reset-password", scopePublic, h.reset, family,
		summary("Set a new password with a reset token"),
		describe("The token is good for 30 minutes and one use. All sessions of the account end."))
}

type forgotInput struct {
	Body struct {
		Email    *string `json:"email,omitempty" doc:"Counts when both are given."`
		Username *string `json:"username,omitempty"`
	}
}

func (h passwordResetHandlers) forgot(ctx context.Context, in *forgotInput) (*reply[messageJSON], error) {
	err := h.svc.ForgotPassword(identity.Forgotten{Email: value(in.Body.Email), Username: value(in.Body.Username)}, client(ctx))
	return respond(messageJSON{Message: "If the account exists, password reset instructions have been sent."}, err)
}

type resetInput struct {
	Body struct {
		Token    string `json:"token" doc:"From the mail, 64 hexadecimal digits."`
		Password string `json:"new_password" doc:"8 to 72 bytes with an upper-case letter, a lower-case letter, a digit and a special character; taken as it is, blanks included."`
	}
}

func (h passwordResetHandlers) reset(ctx context.Context, in *resetInput) (*reply[messageJSON], error) {
	err := h.svc.ResetPassword(ctx, in.Body.Token, in.Body.Password, client(ctx))
	return respond(messageJSON{Message: "Password reset successful. You can now log in with your new password."}, err)
}
