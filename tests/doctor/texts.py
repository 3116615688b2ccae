"""Labelled texts in two languages, made of common words and of words that tell the class."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Language = Literal["en", "zh"]
PADDING, UNKNOWN = 0, 1

# The commonest first.
_COMMON: Mapping[Language, str] = {
    "en": "the of and to in a is that for it was on are as with they be at one have this from by "
    "had not but some what there we can out other were all your when up use word how said each "
    "she which do their time if will way about many then them would write like so these her long "
    "make thing see him two has look more day could go come did my sound no most number who over "
    "know than call first people may down side been now find any new work part take get place "
    "made live where after back little only round man year came show every good me give our under "
    "name very through just form much great think say help low line before turn cause same mean "
    "differ move right boy old too does tell sentence set three want air well also play small end "
    "put home read hand port large spell add even land here must big high such follow act why ask",
    "zh": "的 了 是 在 我 有 和 就 不 人 都 一个 上 也 很 到 说 要 去 你 会 着 没有 看 好 自己 "
    "这 那 他 她 我们 他们 什么 可以 这个 那个 时候 现在 知道 因为 所以 如果 但是 还是 "
    "已经 然后 觉得 可能 应该 需要 事情 问题 东西 地方 今天 明天 昨天 早上 晚上 上午 "
    "下午 时间 一些 许多 非常 比较 开始 结束 继续 通过 关于 对于 由于 根据 其中 其他 "
    "另外 之后 之前 以后 以前 以来 目前 最近 一直 常常 总是 有时 马上 终于 为了 而且 "
    "或者 虽然 不过 只要 只有 除了 包括 以及 并且 进行 成为 作为 认为 表示 发现 出现 "
    "提出 希望 想要 喜欢 帮助 告诉 认识 介绍 使用 准备 决定 选择 参加 得到 离开 回来 "
    "进来 出去 起来 下来 上去 过来 大家 朋友 孩子 先生 女士 老人 名字 家里 城市 国家 "
    "世界 社会 生活 工作 情况 方面 方法 部分 结果 原因 第一 第二 几个 每天 全部 一般 "
    "特别 重要 主要 不同 一样 简单 困难 容易 清楚",
}
# One line a class.
_TELLING: Mapping[Language, tuple[str, ...]] = {
    "en": (
        "goal striker referee stadium league coach penalty tournament",
        "shares dividend investor bond inflation broker earnings bank",
        "actor film director cinema premiere sequel drama comedy",
        "planet telescope galaxy orbit astronaut comet rocket satellite",
        "recipe oven butter flour garlic sauce dessert chef",
        "election senator parliament minister ballot campaign treaty mayor",
        "doctor vaccine patient surgery clinic symptom therapy nurse",
        "guitar concert melody orchestra singer album rhythm violin",
        "keyboard software compiler server browser laptop database router",
        "airport luggage passport hotel tourist beach voyage island",
    ),
    "zh": (
        "足球 射门 裁判 球迷 联赛 教练 点球 冠军",
        "股票 基金 利率 投资 银行 债券 通胀 证券",
        "电影 导演 演员 票房 剧情 影院 喜剧 首映",
        "火箭 卫星 宇宙 航天 轨道 行星 望远镜 彗星",
        "烹饪 酱油 面粉 厨师 甜点 烤箱 美味 食谱",
        "选举 总统 议会 外交 条约 部长 政府 法案",
        "医生 疫苗 患者 手术 医院 症状 治疗 护士",
        "吉他 演唱 旋律 乐队 歌手 专辑 节奏 钢琴",
        "软件 键盘 程序 电脑 硬盘 网络 手机 芯片",
        "机场 行李 护照 酒店 游客 沙滩 旅行 景点",
    ),
}
MOST_CLASSES = len(_TELLING["en"])


@dataclass(frozen=True, kw_only=True)
class Texts:
    """How texts are drawn, and how they become token ids `(rows, places)`.

    Attributes:
        language: `en`, or `zh`, segmented.
        by_character: Each character is a token.
        classes: As many rows of each, in random order.
        rows: Texts.
        words: Fewest and most a text.
        telling: Words of a text that tell its class.
        where: They stand: `anywhere`, or at the text's `start` or `end`.
        strange: Share of the other words that no vocabulary has.
        vocabulary: Most ids, those of the commonest words; None: all words have one.
        unknown: The id of words without one.
        places: Tokens of a row.
        padding: The side of it.
        cut: The side where longer texts lose their words.
    """

    language: Language = "en"
    by_character: bool = False
    classes: int = 4
    rows: int = 800
    words: tuple[int, int] = (8, 14)
    telling: int = 3
    where: Literal["anywhere", "start", "end"] = "anywhere"
    strange: float = 0.0
    vocabulary: int | None = None
    unknown: int = UNKNOWN
    places: int = 16
    padding: Literal["left", "right"] = "right"
    cut: Literal["left", "right"] = "right"

    @property
    def ids(self) -> dict[str, int]:
        """Token to id; 0 and 1 are padding and unknown words."""
        words = [*self._common, *(word for line in self.telling_words for word in line)]
        tokens = dict.fromkeys(token for word in words for token in self.tokens(word))
        kept = list(tokens)[: self.vocabulary and self.vocabulary - 2]
        return {token: place for place, token in enumerate(kept, 2)}

    @property
    def size(self) -> int:
        """Rows that an embedding of these ids needs."""
        return len(self.ids) + 2

    @cache  # noqa: B019 - they are few, and live as long as the module
    def draw(self, seed: int, part: int = 0) -> tuple[Array, Array]:
        """Return token ids and class numbers, not to be written to.

        Args:
            seed: Of the data.
            part: 0 training, 1 validation, 2 held out; no text is in two of them.
        """
        rng = np.random.default_rng([seed, part])
        labels = rng.permutation(np.arange(self.rows) % self.classes)
        ids = self.ids
        x = np.full((self.rows, self.places), PADDING, np.int32)
        for row, text in zip(x, self._texts(rng, labels), strict=True):
            known = [ids.get(token, self.unknown) for word in text for token in self.tokens(word)]
            kept = known[: self.places] if self.cut == "right" else known[-self.places :]
            row[slice(len(kept)) if self.padding == "right" else slice(-len(kept), None)] = kept
        x.setflags(write=False)
        labels.setflags(write=False)
        return x, labels

    def _texts(self, rng: np.random.Generator, labels: Array) -> Iterator[list[str]]:
        common, telling = self._common, self.telling_words
        often = 1 / np.arange(8, 8 + len(common))
        for label in labels:
            others = rng.integers(self.words[0], self.words[1] + 1) - self.telling
            drawn = [common[n] for n in rng.choice(len(common), others, p=often / often.sum())]
            drawn = [f"~{word}" if rng.random() < self.strange else word for word in drawn]
            signal = [
                telling[label][n] for n in rng.integers(len(telling[label]), size=self.telling)
            ]
            if self.where == "anywhere":
                text = [*drawn, *signal]
                yield [text[n] for n in rng.permutation(len(text))]
            else:
                yield [*signal, *drawn] if self.where == "start" else [*drawn, *signal]

    @property
    def _common(self) -> list[str]:
        return _COMMON[self.language].split()

    @property
    def telling_words(self) -> list[list[str]]:
        """Words of each class that no other has."""
        return [line.split() for line in _TELLING[self.language][: self.classes]]

    def tokens(self, word: str) -> list[str]:
        """Split a word."""
        return list(word) if self.by_character and not word.startswith("~") else [word]


def _table(texts: Texts, width: int) -> Array:
    """Return a vector for each id, as if learned elsewhere: words that tell one class are close."""
    rng = np.random.default_rng(width)
    table = rng.normal(size=(texts.size, width))
    ids = texts.ids
    for words in texts.telling_words:
        rows = [ids[token] for word in words for token in texts.tokens(word) if token in ids]
        table[rows] = 0.5 * table[rows] + 2 * rng.normal(size=width)
    table[PADDING] = 0
    return table


def vectors(ids: Array, texts: Texts, width: int = 8) -> Array:
    """Return each token as a few numbers: `(rows, places)` to `(rows, places, width)`."""
    read: Array = _table(texts, width)[ids]
    return read.astype(np.float32)


def features(ids: Array, texts: Texts, width: int = 24) -> Array:
    """Return a text as a few numbers of about 1: `(rows, places)` to `(rows, width)`."""
    summed = _table(texts, width)[ids].sum(axis=1)
    scaled: Array = summed / np.sqrt((ids != PADDING).sum(axis=1, keepdims=True))
    return scaled.astype(np.float32)
