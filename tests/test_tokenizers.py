"""Ids are the same in Python, in a graph and in a SavedModel elsewhere; splitting as said."""

import itertools
import json
import os
import random
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf

from kerastextzoo import tokenizers
from kerastextzoo.errors import InputError
from kerastextzoo.export.hard_texts import HARD_TEXTS
from kerastextzoo.text import (
    TextConfig,
    TextEncoder,
    choose_tokenizer,
    fit_encoder,
    tell_unsegmented,
    tokenize,
)

UCD = unicodedata.ucd_3_2_0
SPELLED = """
the a good day isn't it's iPhone4 3.5 U.S. x_1 ÉCOLE naïve E\u0301 Straße Москва [UNK] ' ’ '' ! ?
the a good day 中国 中国人民 人民 银行 的 贷款 利率 今天 天气 很好 A股 T恤 上涨 了 不 我们
中国 中国人民 人民 银行 的 贷款 利率 今天 天气 很好 A股 T恤 上涨 了 不 我们 研究 研究生 生命
日本語 カタカナ ﾊﾟﾝ ＦＵＬＬ １２３ ，。！？ （） 한국어 हिन्दी العربية ไทย
😀 👨\u200d👩\u200d👧 ❤\ufe0f 🇨🇳 \U00020000 \U0002a6d6 𝐀𝐁 ½ ㎡ ™ ①
"""
CODES = (0, 7, 9, 10, 0x1C, 0x85, 0xA0, 0x200B, 0x2028, 0x3000, 0xFEFF, 0xFFFD, 0x10FFFF, 0xE000)
PIECES = [*SPELLED.split(), *map(chr, CODES)]


def texts_of(number: int, seed: int, known: bool = False) -> list[str]:
    """Generate texts of pieces and of characters from anywhere; `known`: of Unicode 3.2 only."""
    rng = random.Random(seed)

    def anywhere() -> str:
        while True:
            character = chr(rng.randrange(rng.choice((0x250, 0x3100, 0x10000, 0x30000, 0x110000))))
            category = UCD.category(character)
            if category != "Cs" and not (known and category == "Cn"):
                return character

    pieces = [p for p in PIECES if not known or all(UCD.category(c) != "Cn" for c in p)]
    return [
        "".join(
            (anywhere() if rng.random() < 0.2 else rng.choice(pieces)) + " " * (rng.random() < 0.3)
            for _ in range(int(rng.expovariate(0.1)))
        )
        for _ in range(number)
    ]


@pytest.fixture(scope="module")
def encoders() -> dict[str, TextEncoder]:
    texts = texts_of(2000, seed=1)
    names = ("word", "char", "jieba")
    return {name: fit_encoder(texts, TextConfig(tokenizer=name)) for name in names}


# An implementation of its own of what the graph does


def reference_normalize(text: str) -> str:
    out = ""
    for c in text:
        folded = UCD.normalize("NFKC", c) if UCD.category(c) not in {"Cn", "Co"} else c
        kept = (
            (folded.startswith(" ") and folded != " ")
            or (UCD.category(c) == "So" and UCD.decomposition(c).startswith("<super>"))
            or re.search("[\u1100-\u11ff]", folded)
        )
        out += "".join(d.lower() for d in (c if kept else folded))
    for _ in range(2):
        out = re.sub(
            ".[\u0300-\u036f\u3099\u309a]",
            lambda pair: UCD.normalize("NFC", pair[0]) if is_pair(pair[0]) else pair[0],
            out,
            flags=re.DOTALL,
        )
    return out


def is_pair(pair: str) -> bool:
    joined = UCD.normalize("NFC", pair)
    if len(joined) != 1:
        return False
    return UCD.decomposition(joined).split() == [f"{ord(c):04X}" for c in pair]


def reference_words(text: str) -> list[str]:
    out = ""
    for c in reference_normalize(text).replace("’", "'"):
        category = unicodedata.category(c)
        if c in "!?" or category == "So":
            out += f" {c} "
        else:
            out += c if category[0] in "LMN" or c == "'" else " "
    return [token for token in (token.strip("'") for token in out.split(" ")) if token]


def reference_characters(text: str) -> list[str]:
    text = reference_normalize(text)
    return [c for c in text if unicodedata.category(c)[0] not in "ZC"]


def reference_match(vocabulary: tuple[str, ...], text: str) -> list[int]:
    ids = {token: number for number, token in enumerate(vocabulary) if number > 1}
    han = re.compile(f"[{tokenizers.HAN}]")
    found = []
    for word in reference_words(text):
        units: list[str] = []
        for _, run in itertools.groupby(word, lambda c: bool(han.match(c))):
            unit = "".join(run)
            units += unit if han.match(unit) else [unit]
        at = 0
        while at < len(units):
            ends = [e for e in range(len(units), at, -1) if "".join(units[at:e]) in ids]
            end = ends[0] if ends else at + 1
            found.append(ids.get("".join(units[at:end]), 1))
            at = end
    return found


def test_splitting_agrees_with_a_reference_in_python(encoders: dict[str, TextEncoder]) -> None:
    texts = [*HARD_TEXTS[:-1], *texts_of(5000, seed=2, known=True)]
    normal = tokenizers.normalize(tf.constant(texts)).numpy()
    assert [text.decode() for text in normal] == [reference_normalize(text) for text in texts]
    assert list(tokenize(texts, "char")) == [reference_characters(text) for text in texts]
    assert list(tokenize(texts, "word")) == [reference_words(text) for text in texts]
    jieba = encoders["jieba"]
    encoded = jieba.encode(texts)
    for row, text in enumerate(texts):
        wanted = reference_match(jieba.vocabulary, text)[: jieba.max_length] or [1]
        assert encoded.take([row]).tokens.tolist() == wanted, text


SERVE = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("kerastextzoo", "jieba", "tensorflow_text"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import json, numpy, tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
texts = json.load(open(sys.argv[2], encoding="utf-8"))
parts = [texts[at:at + 1000] for at in range(0, len(texts), 1000)]
rows = [serve(texts=tf.constant(part))["ids"].numpy() for part in parts]
numpy.savez(sys.argv[3], *rows)
"""


def served(encoder: TextEncoder, texts: list[str], folder: Path) -> list[npt.NDArray[np.int32]]:
    """Return the ids, 1000 texts at a time, of a SavedModel in a process of its own."""
    module = tf.Module()
    module.lookup = encoder.lookup
    spec = [tf.TensorSpec((None,), tf.string, name="texts")]
    graph = tf.function(lambda texts: {"ids": encoder(texts)}, input_signature=spec)
    tf.saved_model.save(module, str(folder / "model"), signatures={"serving_default": graph})
    (folder / "texts.json").write_text(json.dumps(texts), "utf-8")
    names = [str(folder / name) for name in ("model", "texts.json", "ids.npz")]
    # Under this locale TensorFlow would turn I into a dotless i.
    environment = {**os.environ, "LC_ALL": "tr_TR.UTF-8", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run([sys.executable, "-c", SERVE, *names], check=True, env=environment)
    with np.load(folder / "ids.npz") as rows:
        return [rows[name] for name in rows.files]


@pytest.mark.parametrize("name", ["word", "char", "jieba"])
def test_ids_are_the_same_everywhere(
    name: str, encoders: dict[str, TextEncoder], tmp_path: Path
) -> None:
    number = int(os.environ.get("KERASTEXTZOO_TEST_STRINGS", "2000"))
    texts = [*HARD_TEXTS, "中国人民x " * 14_000, *texts_of(number, seed=3)]
    encoder = TextEncoder.from_json(encoders[name].to_json())
    graph = tf.function(encoder, input_signature=[tf.TensorSpec((None,), tf.string)])
    encoded = encoder.encode(texts)
    for at, elsewhere in zip(
        range(0, len(texts), 1000), served(encoder, texts, tmp_path), strict=True
    ):
        part = texts[at : at + 1000]
        ids = graph(tf.constant(part)).numpy()
        np.testing.assert_array_equal(ids, elsewhere)
        padded = encoded.padded(range(at, at + len(part)))
        wider = padded.shape[1] - ids.shape[1]
        np.testing.assert_array_equal(np.pad(ids, [(0, 0), (0, wider)]), padded)
        assert (ids[:, 0] > 0).all()


def normalize(text: str | bytes) -> str:
    result: bytes = tokenizers.normalize(tf.constant([text])).numpy()[0]
    return result.decode()


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("ＦＵＬＬ１２３\u3000x", "full123 x"),
        ("ﾊﾟﾝ が か\u3099", "パン が が"),
        ("E\u0301 e\u0323\u0302 \u0301", "é ệ \u0301"),
        ("½ ㎡ ﬁ Ⅷ ① 𝐀", "1⁄2 m2 fi viii 1 a"),
        ("Brand™ ´ ㅋ 中文", "brand™ ´ ㅋ 中文"),
        (b"A\xffb", "a\ufffdb"),
        ("", ""),
    ],
)
def test_forms_of_one_character_become_one(text: str | bytes, normal: str) -> None:
    assert normalize(text) == normal


def test_an_accent_never_joins_a_letter_of_another_text() -> None:
    joined = tokenizers.normalize(tf.constant(["É", "e", "\u0301"])).numpy()
    assert [text.decode() for text in joined] == ["é", "e", "\u0301"]


def test_mixed_text() -> None:
    assert list(tokenize(["用iPhone拍照 真的 很好!"], "word")) == [
        ["用iphone拍照", "真的", "很好", "!"]
    ]
    assert list(tokenize(["iOS9好ね"], "char")) == [[*"ios9好ね"]]
    assert list(tokenize(["我们用ÉcoleiPhone4研究生命 don't"], "jieba")) == [
        ["我们", "用", "écoleiphone4", "研究", "生命", "don't"]
    ]


def test_longest_known_words_are_found_and_runs_of_letters_stay_whole() -> None:
    vocabulary = ["", "[UNK]", "中国", "中国人", "民", "the", "a股"]
    encoder = TextEncoder(vocabulary, tokenizer="jieba", max_length=6)
    texts = ["中国人民中", "their the", "A股 Ａ 国the", "民 " * 9, "", "\u2028"]
    encoded = encoder.encode(texts)
    assert [encoded.padded([row])[0].tolist() for row in range(len(texts))] == [
        [3, 4, 1],
        [1, 5],
        [6, 1, 1, 5],
        [4] * 6,
        [1],
        [1],
    ]
    assert encoder(tf.constant([], tf.string)).shape == (0, 1)


def test_words_too_rare_to_be_known_are_read_by_their_characters() -> None:
    encoder = fit_encoder(
        ["研究生命", "研究", "生命", "银行", "很行"], TextConfig(tokenizer="jieba")
    )
    assert set(encoder.vocabulary[2:]) == {"研究", "生命", "行"}


def test_jieba_is_asked_for_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    tokenizers._jieba.cache_clear()
    with pytest.raises(InputError, match=r"^[^\n]*pip install kerastextzoo\[zh\]$"):
        list(tokenize(["天气"], "jieba"))
    # Serving needs no jieba.
    TextEncoder(["", "[UNK]", "天"], tokenizer="jieba", max_length=2).encode(["天气"])


def test_a_wrong_tokenizer_is_refused() -> None:
    with pytest.raises(InputError, match="tokenizer 'wrod'"):
        TextEncoder(["", "[UNK]", "a"], tokenizer="wrod", max_length=2)


SEGMENTED = ["今天 天气 很 好 ， 我们 去 公园 玩", "研究 生命 的 起源"]


@pytest.mark.parametrize(
    ("texts", "tokenizer"),
    [
        (["I met 王小明 in 北京 last week and we had a good time", "a day"], "word"),
        (["我用 iPhone 给 Mary 打电话说明天不去了", "今天天气很好"], "char"),
        (SEGMENTED, "word"),
        (["本科层次仅1专业 招男生", "脚生猛的原因 不希望英德战踢点球"], "char"),
        (["今日はとても良い天気ですね", "ｶﾀｶﾅ と ひらがな"], "char"),
        (["很好", "不错"], "char"),
        (["한국어 문장 입니다"], "word"),
        (["", " ", "123"], "word"),
        ([], "word"),
    ],
)
def test_tokenizer_is_chosen_by_how_the_text_is_written(texts: list[str], tokenizer: str) -> None:
    assert choose_tokenizer(texts) == tokenizer


def test_chinese_without_spaces_read_as_words_is_said() -> None:
    said = tell_unsegmented(["今天天气很好", "明天也很好"], "word")
    assert said
    assert "use --tokenizer char or jieba" in said
    assert tell_unsegmented(SEGMENTED, "word") is None
    assert tell_unsegmented(["今天天气很好"], "char") is None
