package dataset

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// utf16le is a text as spreadsheets call Unicode text.
func utf16le(text string) string {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit), byte(unit>>8))
	}
	return string(out)
}

// A table in another encoding is refused, with the line.
func TestLabelsInLatin1(t *testing.T) {
	tree := threePictures([3]string{"a.png", "b.png", "c.png"}, map[string]string{"l.csv": "image,label\na.png,dog\nb.png,K\xe4fer\nc.png,dog\n"})
	_, err := Open(t.Context(), asFolder(t, tree), Size{})
	if err == nil || !strings.Contains(err.Error(), "line 3") || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("the error is %v", err)
	}
}

// Tables as people have them give pictures in no class folder their classes, where that is clear, and a line says so, or why not.
func TestLabelsOfTables(t *testing.T) {
	flat := [3]string{"a.png", "b.png", "c.png"}
	in := func(dir string) [3]string { return [3]string{dir + "/a.png", dir + "/b.png", dir + "/c.png"} }
	for name, c := range map[string]struct {
		pictures [3]string
		tables   map[string]string
		split    string
		classes  string // of the pictures, in order
		says     string
	}{
		"image,label":     {flat, map[string]string{"labels.csv": "image,label\na.png,cat\nb.png,dog\nc.png,cat\n"}, "", "cat dog cat", "classes by the column label of labels.csv"},
		"ids of Kaggle":   {in("train"), map[string]string{"labels.csv": "id,breed\na,pug\nb,boxer\nc,pug\nd,pug\n"}, "", "pug boxer pug", "column breed"},
		"without heading": {flat, map[string]string{"l.csv": "b.png,cat\na.png,cat\nc.png,cat\n"}, "", "cat cat cat", "column column2"},
		"pandas' index":   {flat, map[string]string{"l.csv": ",fn,label\n0,a.png,cat\n1,b.png,dog\n2,c.png,cat\n"}, "", "cat dog cat", "column label"},
		"label first":     {flat, map[string]string{"l.tsv": "label\tid\ncat\ta\ndog\tb\ncat\tc\n"}, "", "cat dog cat", "column label"},
		"number and name": {flat, map[string]string{"l.csv": "name,class_id,class_name\na.png,0,cat\nb.png,1,dog\nc.png,0,cat\n"}, "", "cat dog cat", "column class_name"},
		"one hot":         {flat, map[string]string{"l.csv": "image_id,rust,scab\na,1,0\nb,0.0,1.0\nc,1,0\n"}, "", "rust scab rust", "columns of l.csv"},
		"other suffix":    {flat, map[string]string{"l.csv": "file,label\na.jpeg,cat\nb.jpeg,dog\nc.jpeg,cat\n"}, "", "cat dog cat", "column label"},
		"of the split": {in("train"), map[string]string{"train.csv": "id,label\na,cat\nb,dog\nc,cat\n", "test.csv": "id,label\na,x\nb,x\nc,x\n",
			"sample_submission.csv": "id,label\na,y\nb,y\nc,y\n", "test/a.png": ""}, "", "cat dog cat", "column label of train.csv"},
		"in its folder": {in("train"), map[string]string{"train/metadata.csv": "file_name,label\na.png,cat\nb.png,dog\nc.png,cat\n",
			"test/metadata.csv": "file_name,label\na.png,x\nb.png,x\nc.png,x\n"}, "", "cat dog cat", "of train/metadata.csv"},
		"beside images":   {in("images"), map[string]string{"annotations/t.csv": "image,label\na.png,cat\nb.png,dog\nc.png,cat\n"}, "", "cat dog cat", "column label"},
		"paths elsewhere": {in("img"), map[string]string{"l.csv": "path,label\n/home/me/x/a.png,cat\n/home/me/x/b.png,dog\n/home/me/x/c.png,cat\n"}, "", "cat dog cat", "column label"},
		"UTF-16":          {flat, map[string]string{"l.csv": utf16le("image,label\na.png,Käfer\nb.png,dog\nc.png,Käfer\n")}, "", "Käfer dog Käfer", "column label"},
		"twice alike":     {flat, map[string]string{"l.csv": "image,label\na.png,cat\na.png,cat\nb.png,dog\nc.png,cat\n"}, "", "cat dog cat", "column label"},

		"list":        {flat, map[string]string{"README.txt": "a.png, b.png and c.png:\na.png is a cat\n", "l.txt": "# of 2026\na.png  cat\nb.png cat\nc.png cat\n"}, "", "cat cat cat", "column column2 of l.txt"},
		"list of ids": {flat, map[string]string{"list.txt": "#image class\na 2 cat\nb 1 dog\nc 2 cat\n"}, "", "", "(column2, column3) is taken"},
		"JSON Lines": {in("train"), map[string]string{"train/metadata.jsonl": `{"label": "cat", "file_name": "a.png"}` + "\n" + `{"file_name": "b.png", "label": "dog"}` +
			"\n\n" + `{"file_name": "c.png", "label": "cat"}`, "test/metadata.jsonl": `{"file_name": "a.png"}`}, "", "cat dog cat", "column label of train/metadata.jsonl"},
		"long lines": {flat, map[string]string{"x.jsonl": `{"file_name": "a.png", "y": 7, "text": "` + strings.Repeat("long ", 999) + `"}` + "\n" +
			`{"file_name": "b.png", "y": 8}` + "\n" + `{"file_name": "c.png", "y": 7}`}, "", "7 8 7", "column y of x.jsonl"},
		"boxes in lines": {flat, map[string]string{"metadata.jsonl": `{"file_name": "a.png", "objects": {"bbox": []}}` + "\n" + `{"file_name": "b.png", "n": 1}` + "\n" +
			`{"file_name": "c.png"}`}, "", "", "not in the first line: n, objects"},

		"test by others' table": {in("train"), map[string]string{"train.csv": "id,label\na,cat\nb,dog\nc,cat\n", "test/a.png": ""}, ":test", "", "1 of test"},
		"not clear whose":       {in("train"), map[string]string{"l.csv": "id,label\na,cat\nb,dog\nc,cat\n", "test/a.png": ""}, ":test", "", "whether it means test/a.png"},
		"whose is written": {in("train"), map[string]string{"l.csv": "id,label\ntest/a,dog\ntrain/a,cat\ntrain/b,dog\ntrain/c,cat\n",
			"test/a.png": ""}, ":test", "", "no column of l.csv"},

		"folders are classes": {[3]string{"x/a.png", "x/b.png", "y/c.png"}, map[string]string{"l.csv": "image,label\na.png,cat\nb.png,dog\nc.png,cat\n"}, "", "x x y", ""},
		"several columns":     {flat, map[string]string{"l.csv": "image,shape,tone\na.png,cube,low\nb.png,ball,low\nc.png,ball,high\n"}, "", "", "--attribute names one"},
		"numbers":             {flat, map[string]string{"l.csv": "image,age\na.png,31\nb.png,7\nc.png,31\n"}, "", "", "(age) is taken for classes"},
		"captions":            {flat, map[string]string{"l.csv": "image,text\na.png,a cat\nb.png,a dog\nc.png,one\n"}, "", "", "(text) is taken for classes"},
		"an empty one":        {flat, map[string]string{"l.csv": "image,label\na.png,cat\nb.png,\nc.png,cat\n"}, "", "", "label is empty for some"},
		"boxes":               {flat, map[string]string{"l.csv": "filename,class,xmin\na.png,cat,1\na.png,dog,5\nb.png,dog,2\nc.png,cat,2\n"}, "", "", "line 3: a.png is there twice"},
		"ambiguous names":     {[3]string{"a.png", "1/b.png", "2/b.png"}, map[string]string{"l.csv": "image,label\na.png,cat\nb.png,dog\n"}, "", "", "one row is of both 1/b.png and 2/b.png"},
	} {
		t.Run(name, func(t *testing.T) {
			tree := threePictures(c.pictures, c.tables)
			if _, ok := tree["test/a.png"]; ok {
				tree["test/a.png"] = tree["train/a.png"]
			}
			set, err := Open(t.Context(), asFolder(t, tree)+c.split, Size{})
			if err != nil {
				t.Fatal(err)
			}
			var classes []string
			for _, label := range set.Labels {
				classes = append(classes, set.Classes[label])
			}
			if got := strings.Join(classes, " "); got != c.classes {
				t.Errorf("classes %s, want %s", got, c.classes)
			}
			said := append([]string{set.Contents.String()}, set.Contents.Warnings...)
			if !slices.ContainsFunc(said, func(line string) bool { return strings.Contains(line, c.says) }) || c.classes != "" && len(said) > 1 {
				t.Errorf("said %q, want %q", said, c.says)
			}
		})
	}
}

// A table that came beside pictures changes nothing for what has been learnt without classes.
func TestFingerprintByTable(t *testing.T) {
	flat := [3]string{"a.png", "b.png", "c.png"}
	plain, err := Open(t.Context(), asFolder(t, threePictures(flat, nil)), Size{})
	if err != nil {
		t.Fatal(err)
	}
	labelled, err := Open(t.Context(), asFolder(t, threePictures(flat, map[string]string{"l.csv": "id,label\na,x\nb,y\nc,x\n"})), Size{})
	if err != nil {
		t.Fatal(err)
	}
	if plain.Fingerprint() != labelled.Fingerprint() || labelled.Fingerprint() == labelled.Fingerprint(ByClass) {
		t.Errorf("%v, %v, with classes %v", plain.Fingerprint(), labelled.Fingerprint(), labelled.Fingerprint(ByClass))
	}
}
