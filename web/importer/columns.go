package importer

import (
	"errors"
	"fmt"
	"strings"
)

// The columns that are understood.
const (
	colSISBOV = "sisbov"
	colRFID   = "rfid"
	colEarTag = "ear_tag"
	colBreed  = "breed"
	colSex    = "sex"
	colBirth  = "birth_date"
	colFarm   = "farm_car"
	colWeight = "weight_kg"
	colName   = "name"
)

// columnNamed returns the column that a header field means, "" for one that is
// not understood. Portuguese names are what Brazilian systems export.
func columnNamed(field string) string {
	switch strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(field))) {
	case "sisbov", "numero_sisbov", "número_sisbov", "nr_sisbov":
		return colSISBOV
	case "rfid", "chip", "eid", "identificador_eletronico", "identificador_eletrônico":
		return colRFID
	case "ear_tag", "eartag", "brinco", "manejo", "numero_manejo", "número_manejo":
		return colEarTag
	case "breed", "raca", "raça":
		return colBreed
	case "sex", "sexo":
		return colSex
	case "birth_date", "birthdate", "nascimento", "data_nascimento", "data_de_nascimento":
		return colBirth
	case "farm_car", "car", "car_fazenda", "imovel_car", "imóvel_car":
		return colFarm
	case "weight_kg", "weight", "peso", "peso_kg":
		return colWeight
	case "name", "nome":
		return colName
	default:
		return ""
	}
}

// columns says where in a row each known column is.
type columns struct {
	at      map[string]int
	ignored []string // header fields that are not understood
}

func readColumns(header []string) (columns, error) {
	c := columns{at: make(map[string]int, len(header))}
	for i, field := range header {
		name := columnNamed(field)
		if name == "" {
			c.ignored = append(c.ignored, strings.TrimSpace(field))
			continue
		}
		if j, dup := c.at[name]; dup {
			return columns{}, fmt.Errorf("header: columns %d and %d both mean %s", j+1, i+1, name)
		}
		c.at[name] = i
	}
	for _, name := range []string{colSISBOV, colRFID, colEarTag} {
		if _, ok := c.at[name]; ok {
			return c, nil
		}
	}
	return columns{}, errors.New("header: no column named sisbov, rfid or ear_tag in the first line")
}

// get returns a column's value without blanks around it, "" when the file has
// no such column.
func (c columns) get(fields []string, name string) string {
	i, ok := c.at[name]
	if !ok {
		return ""
	}
	return strings.TrimSpace(fields[i])
}
