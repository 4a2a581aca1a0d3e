package dataset

// Names of splits: folders are called train and Test, tr and te, trainval2017, seg_train and seg_test, trainA and trainB, imagesTr and
// imagesTs, Training and PublicTest. What one folder by itself cannot tell, those beside it do.

import (
	"regexp"
	"strings"
)

// splitNames are the customary names of folders, in any case.
var splitNames = []struct {
	split   string
	pattern *regexp.Regexp
}{
	{Train, splitPattern("train|training|trn|tr|trainval|train[-_ ]val")},
	{Test, splitPattern("test|testing|tst|te|hold[-_ ]?out|held[-_ ]?out")},
	{Validation, splitPattern("val|valid|validation|va|dev|eval|evaluation")},
}

func splitPattern(names string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(` + names + `)([-_ ]?(set|data|images|imgs|split|\d{4}))?$`)
}

// splitNamed is the split that a folder is named after, "" if none.
func splitNamed(folder string) string {
	for _, s := range splitNames {
		if s.pattern.MatchString(folder) {
			return s.split
		}
	}
	return ""
}

var (
	// splitWord is the name of a split in a longer name, such as seg_train, 01_test and val_256. The case of letters divides words too, as
	// in trainA and PublicTest, and so do digits, as in test1.
	splitWord = regexp.MustCompile(`(?i)^(.*[-_. ])?(train|training|trn|tr|test|testing|tst|te|ts|val|valid|validation|va|eval)([-_. ].*)?$`)
	wordEnd   = regexp.MustCompile(`([a-z])([A-Z0-9])`)
	// abbreviated are names of splits that are names of languages as well: they need one another.
	abbreviated = regexp.MustCompile(`(?i)^(tr|te|va)$`)
)

// splitsIn finds the splits among folders side by side, masks aside: by their names, or by what they differ in, if one of them is to train
// on. The folders train_station and test_tube differ in more. Of names that are longer, groups are what the rest says, such as A of trainA
// and cats of train_cats, where there are several.
func splitsIn(folders []string) (splits, groups map[string]string) {
	splits, groups = map[string]string{}, map[string]string{}
	words, alike := map[string]string{}, map[string]map[string][]string{} // by what is left of a name without its word, and by split
	short, others := 0, 0
	for _, folder := range folders {
		split := splitNamed(folder)
		if split != "" {
			splits[folder] = split
		} else if !masks.MatchString(folder) {
			others++
		}
		if abbreviated.MatchString(folder) {
			short++
		}
		if m := splitWord.FindStringSubmatch(wordEnd.ReplaceAllString(folder, "${1}_$2")); m != nil {
			word := splitNamed(m[2])
			if strings.EqualFold(m[2], "ts") { // of imagesTs: by itself it may be anything
				word = Test
			}
			rest := number.ReplaceAllString(strings.ToLower(m[1]+"*"+m[3]), "")
			if rest = strings.TrimRight(rest, "-_. "); alike[rest] == nil {
				alike[rest] = map[string][]string{}
			}
			alike[rest][word] = append(alike[rest][word], folder)
			if words[folder] = word; split == "" && rest != "*" {
				groups[folder] = strings.Trim(strings.ReplaceAll(rest, "*", ""), "-_. ")
			}
		}
	}
	if short > 0 && others > 0 || len(folders) == short && short == 1 {
		for _, folder := range folders {
			if abbreviated.MatchString(folder) {
				delete(splits, folder)
			}
		}
	}
	for _, group := range alike {
		if len(group) > 1 && len(group[Train]) > 0 {
			for split, names := range group {
				for _, folder := range names {
					if !abbreviated.MatchString(folder) {
						splits[folder] = split
					}
				}
			}
		}
	}
	// train beside public_test and private_test, test beside train_cats and train_dogs: one has the plain name, and all have one.
	plain, all, kinds := len(splits) > 0, true, map[string]bool{}
	for _, folder := range folders {
		switch {
		case splits[folder] != "":
			kinds[splits[folder]] = true
		case words[folder] != "":
			kinds[words[folder]] = true
		default:
			all = all && masks.MatchString(folder)
		}
	}
	if plain && all && kinds[Train] && len(kinds) > 1 {
		for folder, word := range words {
			if splits[folder] == "" && !masks.MatchString(folder) {
				splits[folder] = word
			}
		}
	}
	return splits, groups
}
