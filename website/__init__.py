"""The site: a page for each file of the lesson and each exercise, the lectures with their results, the texts of docs/.

    pages/         what stands nowhere else: the front page, the first steps
    stage.py       writes what Sphinx reads, from where each thing stands once
    lesson.py      a page for a file of the lesson, or for an exercise
    prose.py       a docstring as the text of a page
    code.py        a file as highlighted lines
    lectures.py    the lectures as sphinx-gallery takes them
    extension.py   formula lines in two notations, by KaTeX
    katex.py       KaTeX, from npm
    practice.py    the exercises in the browser, and the wheel beside them
    joins.py       which formulas have their lines of code
    links.py       where the links of the built pages lead
    conf.py        the settings of Sphinx
    static/        the style sheet, and the script that lights up what belongs together
    locale/        translations

`python -m website` builds it.
"""
