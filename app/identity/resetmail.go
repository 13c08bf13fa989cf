package identity

import (
	"fmt"
	"html/template"
	"net/url"
	"strings"

	"github.com/defarm-repo/defarm/app"
)

// resetSubject is the subject of the mail (contract 01 §5.3).
const resetSubject = "Reset Your Password"

var resetHTML = template.Must(template.New("reset").Parse(`<!doctype html>
<html lang="en"><body>
<p>Hello {{.Name}},</p>
<p>somebody asked to reset the password of your account.</p>
{{if .Link}}<p><a href="{{.Link}}">Choose a new password</a></p>
<p>Or copy this address: {{.Link}}</p>
{{else}}<p>Your reset token: <code>{{.Token}}</code></p>
{{end}}<p>It is good for 30 minutes and for one use. If it was not you, do nothing: your password stays as it is.</p>
</body></html>
`))

// resetMail writes the mail with the token, in both its forms.
func resetMail(u *app.User, frontend, token string) (app.Mail, error) {
	data := struct{ Name, Link, Token string }{Name: u.Username, Token: token}
	where := "Your reset token: " + token
	if frontend != "" {
		data.Link = strings.TrimSuffix(frontend, "/") + "/reset-password?token=" + url.QueryEscape(token)
		where = "Choose a new password here:\n" + data.Link
	}
	var html strings.Builder
	if err := resetHTML.Execute(&html, data); err != nil {
		return app.Mail{}, fmt.Errorf("write mail: %w", err)
	}
	text := fmt.Sprintf("Hello %s,\n\nsomebody asked to reset the password of your account.\n\n%s\n\n"+
		"It is good for 30 minutes and for one use. If it was not you, do nothing:\nyour password stays as it is.\n", u.Username, where)
	return app.Mail{To: u.Email, ToName: u.Username, Subject: resetSubject, Text: text, HTML: html.String()}, nil
}
