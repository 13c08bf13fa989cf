// Package mail sends the server's mail: it is the app.Mailer of a server.
//
// # In memory, not in the database
//
// Send puts a message into a bounded queue; one goroutine delivers. A message
// holds a secret (a reset token) that is stored nowhere in clear, so there is no
// outbox row for it. What is lost when the process dies in the seconds before a
// delivery is a mail that its recipient asks for again; what would be gained by
// a row is a secret in every backup.
//
// Delivery is tried four times with growing pauses; an answer that says that the
// message will never be taken (SMTP 5xx, HTTP 4xx) ends the attempts. MailerSend
// may have a mail server beside it: then each attempt asks first the one, then
// the other, and whichever refused for good is not asked again. A message that a
// server has taken is never sent twice, whatever the server says afterwards.
//
// The log says that a message was not delivered and why, never to whom or what
// it says, except with the provider "log", which is for development and is all
// about showing the mail.
package mail
