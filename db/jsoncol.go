package db

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// toJSON is the stored form of a value in a JSON column. HTML characters stay
// as they are: a json.RawMessage inside v that is canonical keeps its bytes.
func toJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", fmt.Errorf("encode JSON column: %w", err)
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// fromJSON reads a JSON column into v. The empty string, which stands for a
// missing value, leaves v as it is.
func fromJSON(s string, v any) error {
	if s == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(s), v); err != nil {
		return fmt.Errorf("decode JSON column: %w", err)
	}
	return nil
}
