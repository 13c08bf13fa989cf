package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// PasswordVariable is the environment variable that commands take a password
// from. It is never taken from the command line, which every user can list.
const PasswordVariable = "DEFARM_PASSWORD"

// PasswordInput says where a command gets a password from: the environment
// first, then standard input when FromStdin is set, then a terminal.
type PasswordInput struct {
	Getenv    func(string) string
	In        *os.File
	Prompt    io.Writer
	FromStdin bool // the first line of In, without questions
}

// Read gets the password. On a terminal it is asked for twice and not shown.
func (p PasswordInput) Read() (string, error) {
	if pw := p.Getenv(PasswordVariable); pw != "" {
		return pw, nil
	}
	if p.FromStdin {
		line, err := bufio.NewReader(io.LimitReader(p.In, 4<<10)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read password: %w", err)
		}
		return notEmpty(strings.TrimRight(line, "\r\n"))
	}
	if !term.IsTerminal(int(p.In.Fd())) {
		return "", fmt.Errorf("no password: set %s, pipe one in with --password-stdin, or run this on a terminal", PasswordVariable)
	}
	first, err := p.ask("Password: ")
	if err != nil {
		return "", err
	}
	second, err := p.ask("Again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ")
	}
	return notEmpty(first)
}

func (p PasswordInput) ask(question string) (string, error) {
	fmt.Fprint(p.Prompt, question)
	raw, err := term.ReadPassword(int(p.In.Fd()))
	fmt.Fprintln(p.Prompt)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return string(raw), nil
}

func notEmpty(pw string) (string, error) {
	if pw == "" {
		return "", errors.New("the password is empty")
	}
	return pw, nil
}
