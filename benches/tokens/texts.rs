//! What is counted: texts of several kinds, the same in every run.

use fastrand::Rng;

/// A text of about as many bytes as asked for.
pub(crate) struct Text {
    pub(crate) name: &'static str,
    pub(crate) text: String,
    /// Whether tiktoken-rs can count it.
    pub(crate) is_for_reference: bool,
}

/// A text of each kind.
pub(crate) fn all(len: usize) -> Vec<Text> {
    let text = |name, text: String, is_for_reference| Text {
        name,
        text,
        is_for_reference,
    };
    let random = |characters: &str| {
        let characters: Vec<char> = characters.chars().collect();
        let mut rng = Rng::with_seed(1);
        fill(len, || {
            characters[rng.usize(..characters.len())].to_string()
        })
    };
    let repeat = |part: &str| part.repeat(len / part.len());
    vec![
        text("prose", prose(len), true),
        text("code", code(len), true),
        text("JSON", json(len), true),
        text("Chinese", cjk(len, CHINESE, "，。", ""), true),
        text("Japanese", cjk(len, JAPANESE, "、。", ""), true),
        text("Korean", cjk(len, KOREAN, ",.", " "), true),
        text("Russian", cjk(len, RUSSIAN, ",.", " "), true),
        text("emoji", random("😀😃🎉🚀👍🔥✨💡📦🐛❤🌍☕🍕🎵🏆"), true),
        text("a", repeat("a"), true),
        text("spaces", repeat(" "), false),
        text("line breaks", repeat("\n"), false),
        text("=", repeat("="), true),
        text("one emoji", repeat("🎉"), true),
        text("a family of emoji", repeat("👩‍👩‍👧"), true),
        text("one ideograph", repeat("中"), true),
        text("zeros", repeat("\0"), true),
        text("digits", random("0123456789"), true),
        text("a–z", random("abcdefghijklmnopqrstuvwxyz"), true),
        text("a–c", random("abc"), true),
        text(
            "base64",
            random("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
            true,
        ),
        text("symbols", random("!#$%&()*+-./:;<=>?@[]^_{|}~"), true),
        text(
            "marks",
            random("\u{301}\u{302}\u{303}\u{308}\u{327}\u{1ab0}\u{20dd}"),
            true,
        ),
        text("rare ideographs", rare(len), true),
        text("white space", random("  \n\t\u{a0}\u{3000}"), false),
    ]
}

fn fill(len: usize, mut part: impl FnMut() -> String) -> String {
    let mut text = String::new();
    while text.len() < len {
        text.push_str(&part());
    }
    text
}

/// Ours: README and changelog.
pub(crate) fn prose(len: usize) -> String {
    let text = [
        include_str!("../../README.md"),
        include_str!("../../CHANGELOG.md"),
    ]
    .concat();
    cut(text.repeat(len / text.len() + 1), len)
}

fn code(len: usize) -> String {
    let text = [
        include_str!("../../src/tokens/chat.rs"),
        include_str!("../../src/tokens/lenient.rs"),
        include_str!("../../src/models/encoding.rs"),
        include_str!("../../index.js"),
        include_str!("../../scripts/setup.js"),
        include_str!("../../__test__/rooms.test.js"),
    ]
    .concat();
    cut(text.repeat(len / text.len() + 1), len)
}

fn cut(mut text: String, len: usize) -> String {
    text.truncate(
        (0..=len)
            .rev()
            .find(|&len| text.is_char_boundary(len))
            .unwrap_or(0),
    );
    text
}

/// Records such as a tool returns.
fn json(len: usize) -> String {
    let mut rng = Rng::with_seed(2);
    let words: Vec<&str> = include_str!("../../README.md").split_whitespace().collect();
    fill(len, || {
        let mut word = || words[rng.usize(..words.len())];
        let name = [word(), word(), word()].join(" ");
        let tags = [word(), word()];
        let record = serde_json::json!({
            "id": rng.u32(..),
            "uuid": format!("{:08x}-{:04x}-{:012x}", rng.u32(..), rng.u16(..), rng.u64(..1 << 48)),
            "name": name,
            "tags": tags,
            "price": f64::from(rng.u32(..100_000)) / 100.0,
            "createdAt": format!("2026-{:02}-{:02}T{:02}:15:30.000Z", rng.u8(1..13), rng.u8(1..29), rng.u8(..24)),
            "isActive": rng.bool(),
            "parent": null,
        });
        format!("{record},\n")
    })
}

/// Sentences of random words.
fn cjk(len: usize, words: &str, stops: &str, between: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let stops: Vec<char> = stops.chars().collect();
    let mut rng = Rng::with_seed(3);
    fill(len, || {
        let count = rng.usize(4..12);
        let words: Vec<&str> = (0..count)
            .map(|_| words[rng.usize(..words.len())])
            .collect();
        format!(
            "{}{}{between}",
            words.join(between),
            stops[rng.usize(..stops.len())]
        )
    })
}

/// Ideographs that hardly any text has.
fn rare(len: usize) -> String {
    let mut rng = Rng::with_seed(4);
    fill(len, || rng.char('\u{3400}'..='\u{9fff}').to_string())
}

const CHINESE: &str = "我们 今天 认为 这个 问题 非常 重要 因为 系统 需要 处理 大量 数据 用户 可以 通过 网络 访问 服务 公司 已经 发布 新的 产品 并且 计划 明年 进入 国际 市场 专家 表示 经济 发展 速度 将会 继续 提高 但是 环境 保护 也是 必须 考虑 的 因素 研究 人员 发现 一种 新型 材料 能够 有效 降低 能源 消耗 学生 在 学校 学习 历史 文化 科学 技术 医生 建议 病人 每天 锻炼 身体 天气 预报 说 明天 下雨 请 带上 雨伞 火车 晚点 两个 小时 他 喜欢 读书 她 正在 写 一封 信 孩子们 在 公园 里 玩耍";
const JAPANESE: &str = "私たち は 今日 この 問題 について とても 重要 だと 考え ています システム が 大量の データ を 処理 する 必要 があります ユーザー ネットワーク から サービス に アクセス できます 会社 新しい 製品 発表 しました 来年 海外 市場 進出 する 予定 です 専門家 によると 経済 成長 続く 環境 保護 も 考慮 しなければ ならない 研究者 新素材 発見 エネルギー 消費 減らす 学生 学校 で 歴史 文化 科学 技術 を 学ぶ 医者 毎日 運動 勧める 天気予報 明日 雨 傘 持って 電車 遅れる 彼 読書 好き 彼女 手紙 書いて いる 子供たち 公園 遊ぶ";
const KOREAN: &str = "우리는 오늘 이 문제가 매우 중요하다고 생각합니다 시스템은 많은 데이터를 처리해야 하며 사용자는 네트워크를 통해 서비스에 접근할 수 있습니다 회사는 새로운 제품을 발표했고 내년에 해외 시장에 진출할 계획입니다 전문가에 따르면 경제 성장이 계속될 것이지만 환경 보호도 고려해야 합니다 연구원은 신소재를 발견하여 에너지 소비를 줄였다 학생들은 학교에서 역사와 문화를 배운다 의사는 매일 운동을 권한다 내일은 비가 온다고 한다 기차가 늦었다 그는 책을 좋아한다";
const RUSSIAN: &str = "сегодня мы считаем что эта проблема очень важна потому система должна обрабатывать большие данные пользователь может получить доступ через сеть компания выпустила новый продукт и планирует выйти на международный рынок эксперты говорят экономика будет расти но защита окружающей среды также имеет значение исследователи обнаружили материал который снижает потребление энергии студенты изучают историю культуру науку технику врач советует заниматься спортом каждый день погода завтра дождь возьмите зонт поезд опаздывает";
