/* lexicon_words - the lists of the lexicon: written for this project, by hand.
 * SPDX-License-Identifier: MIT */
#include "lexicon.h"

/* The usual words of English prose, without the forms that lexicon_is_common() makes of them. */
static const char usual_small[] =
    "a an the and or but nor so yet if then else than as at by for from in into of off on onto "
    "out over to up with about above across after against along among around before behind "
    "below beneath beside between beyond down during except inside like near outside past per "
    "since through throughout till toward towards under underneath until upon via within "
    "without i me my mine myself you your yours yourself he him his himself she her hers "
    "herself it its itself we us our ours ourselves they them their theirs themselves this that "
    "these those who whom whose which what when where why how whether while because although "
    "though unless whereas whatever whenever wherever whoever be am is are was were been being "
    "do does did done have has had having will would shall should can could may might must "
    "ought not no none nothing nobody nowhere never ever any anybody anyone anything anywhere "
    "some somebody someone something sometimes somewhere every everybody everyone everything "
    "everywhere each both either neither all most many much more few less least little lot "
    "several enough other another such same different own only just even also too very quite "
    "rather really almost already again always often usually still soon now today tomorrow "
    "yesterday here there away back together apart maybe perhaps please yes ok okay hello hi "
    "thanks thank sorry one two three four five six seven eight nine ten eleven twelve twenty "
    "thirty forty fifty hundred thousand million billion first second third fourth fifth last "
    "next once twice half quarter dozen zero january february march april june july august "
    "september october november december monday tuesday wednesday thursday friday saturday "
    "sunday english french german spanish america american europe european britain british "
    "china chinese japan japanese i'm i'd i'll i've you're you'll you've it's that's what's "
    "let's don't doesn't didn't isn't aren't wasn't weren't won't wouldn't can't couldn't "
    "shouldn't haven't hasn't hadn't we're they're there's who's he's she's";
static const char usual_a_d[] =
    "able accept accident account across act action active activity actual add address adult "
    "advantage advice afraid afternoon age ago agree air airport alive allow alone amount "
    "ancient anger angry animal answer apart apartment apple apply area argue argument arm army "
    "arrange arrive art article ask asleep attack attempt attend attention aunt author autumn "
    "average avoid awake aware baby bad bag bake ball band bank bar base basic bath beach bear "
    "beat beautiful became become bed bedroom beer began begin behave behavior behaviour belief "
    "believe bell belong belt benefit best better big bill bird birth birthday bit bite black "
    "blame blind block blood blow blue board boat body boil bone book boot border bored boring "
    "born borrow boss bottle bottom bought bowl box boy brain branch brave bread break "
    "breakfast breath breathe bridge bright bring broad broke brother brought brown brush build "
    "building burn bus business busy butter button buy cake call calm came camera camp cap "
    "capital captain car card care careful carry case cash cat catch cause cell center central "
    "centre century certain chain chair chance change character charge cheap check cheese chest "
    "chicken chief child children choice choose church circle citizen city claim class clean "
    "clear clever climb clock close cloth clothes cloud club coach coal coast coat code coffee "
    "cold collect college color colour come comfort comfortable common community company "
    "compare compete complain complete computer concern condition connect consider contain "
    "content continue control conversation cook cool copy corner correct cost cotton count "
    "country couple courage course court cousin cover cow crazy cream create crime cross crowd "
    "cry culture cup curious current customer cut daily damage dance danger dangerous dark data "
    "date daughter day dead deal dear death debt decide decision deep degree deliver demand "
    "depend describe desert deserve design desk destroy detail develop die difference difficult "
    "difficulty dig dinner direct direction dirt dirty disappear discover discuss disease dish "
    "distance divide doctor document dog dollar door double doubt draw drawer dream dress drink "
    "drive driver drop dry duck dust duty";
static const char usual_e_l[] =
    "ear early earn earth east easy eat economy edge educate education effect effort egg elect "
    "election electric email employ empty end enemy energy engine engineer enjoy enter entire "
    "environment equal escape especially essay evening event evidence evil exact exam example "
    "excellent except exchange excited exciting excuse exercise exist expect expensive "
    "experience explain express extra eye face fact fail fair faith fall false family famous "
    "far farm farmer fast fat father fault favorite favourite fear feature feed feel feeling "
    "fell felt female fence field fight figure file fill film final find fine finger finish "
    "fire firm fish fit fix flag flat flew flight floor flow flower fly fold follow food fool "
    "foot football force foreign forest forget forgive form former fortune forward found fox "
    "free freedom freeze fresh friend friendly front fruit full fun funny furniture further "
    "future gain game garden gas gather gave general gentle get gift girl give glad glass go "
    "goal god gold gone good goods got govern government grand grandfather grandmother grass "
    "grateful gray great green grew grey ground group grow growth guard guess guest guide gun "
    "guy habit hair hall hand handle hang happen happy hard hat hate head health healthy hear "
    "heard heart heat heavy height held help hide high hill history hit hold hole holiday home "
    "honest honour hope horse hospital hot hotel hour house huge human hungry hunt hurry hurt "
    "husband ice idea identify image imagine important impossible improve include increase "
    "indeed independent individual industry information insect instead interest interesting "
    "international internet introduce invent invite iron island issue job join joke journey joy "
    "judge juice jump keep kept key kick kid kill kind king kitchen knee knew knife knock know "
    "knowledge lack lady lake land language large late laugh law lawyer lay lazy lead leader "
    "leaf learn leather leave led left leg lend length lesson let letter level library lie life "
    "lift light limit line lion lip list listen live local lock lonely long look lose loss lost "
    "loud love low luck lucky lunch";
static const char usual_m_r[] =
    "machine mad made magazine magic mail main major make male man manage manager manner map "
    "mark market married marry mass master match material matter meal mean meaning meant "
    "measure meat media medical medicine meet member memory men mention message met metal "
    "method middle mile milk mind minute mirror miss mistake mix model modern moment money "
    "monkey month mood moon moral morning mother motor mountain mouse mouth move movement movie "
    "mr mrs ms music musical name narrow nation national natural nature necessary neck need "
    "neighbor neighborhood neighbour nephew nervous nest new news newspaper nice night noise "
    "noisy normal north nose note notice novel number object observe obvious occur ocean offer "
    "office officer oil old open operate operation opinion opportunity opposite orange order "
    "ordinary organise organize original outside owner page paid pain paint painting pair paper "
    "paragraph parent park part particular partner party pass passage passenger patient pattern "
    "pay peace pen pencil people percent perfect perform period person personal pet phone photo "
    "phrase pick picture piece pig pink place plain plan plane planet plant plastic plate play "
    "player pleasant pleasure plenty pocket poem point police policy polite political poor "
    "popular population position positive possible post pot potato pound pour power practice "
    "prefer prepare present president press pretty prevent previous price pride prince print "
    "prison private prize probably problem process produce product professional program project "
    "promise proper property protect proud prove provide public pull punish pupil purple "
    "purpose push put quality queen question quick quiet race radio rain raise ran range rapid "
    "rare rate reach react read ready real realise realize reason receive recent recipe record "
    "red reduce refer refuse region regular relation relationship relative relax remain "
    "remember remove rent repair repeat reply report represent request require rescue research "
    "respect respond response rest restaurant result return review rich ride right ring rise "
    "risk river road rock role roll roof room root rope rose rough round row royal rule run "
    "rush";
static const char usual_s_z[] =
    "sad safe safety said sail salary sale salt sand sat save saw say scale scene school "
    "science scientist scissors score screen sea search season seat secret see seem seen select "
    "self sell send sense sentence separate serious servant serve service set settle sex shade "
    "shadow shake shape share sharp sheep sheet shelf shell shine ship shirt shock shoe shook "
    "shoot shop short shot shoulder shout show shut sick side sight sign silence silent silver "
    "similar simple sing single sink sister sit situation size skill skin skirt sky sleep slept "
    "slip slow small smart smell smile smoke smooth snake snow social society soft soil sold "
    "soldier solution solve son song sort soul sound soup south space speak special speech "
    "speed spell spend spent spirit spoke spoon sport spot spread spring square staff stage "
    "stair stand standard star stare start state station stay steal steam step stick stomach "
    "stone stood stop store storm story straight strange stranger stream street strength stress "
    "strike string strong struggle student study stupid style subject succeed success "
    "successful sudden suffer sugar suggest suit summer sun supper supply support suppose sure "
    "surface surprise sweet swim system table tail take talk tall task taste taught tax tea "
    "teach teacher team tear technology teeth telephone television tell temperature tend tennis "
    "term terrible test text thick thief thin thing think thought threw throat throw ticket tie "
    "tiger tight time tiny tire tired title together told tomato ton tongue took tool tooth top "
    "topic total touch tour tower town toy track trade traffic train translate travel treat "
    "tree trick trip trouble true trust truth try turn tv type ugly umbrella uncle understand "
    "understood unit university unusual use used useful user usual valley value variety various "
    "vegetable victory video view village visit visitor voice vote wage wait wake walk wall "
    "want war warm warn wash waste watch water wave way weak wealth wear weather web website "
    "wedding week weekend weigh weight welcome well went west wet wheel white whole wide wife "
    "wild win wind window wine wing winter wire wise wish woke woman women won wonder wonderful "
    "wood word wore work worker world worry worse worst worth write writer written wrong wrote "
    "yard year yellow young youth";

static const char technical[] = "algorithm algorithms algebra api apis architecture asymptotic "
                                "asynchronous async authentication axiom "
                                "bayesian binary bytecode cache calculus cardinality catalyst "
                                "causal chromosome cluster coefficient "
                                "combinatorics compiler complexity compute concurrency concurrent "
                                "constraint constraints convergence "
                                "correlation covariance cryptographic cryptography database "
                                "deadlock denominator derivative deterministic "
                                "diagnosis diagonal differential distributed distribution "
                                "eigenvalue eigenvector electron encryption entropy "
                                "enzyme epistemology equation equations equilibrium estimator "
                                "exponential exponent factorial fiscal frequency "
                                "gradient graph hash heuristic homomorphism hypothesis idempotent "
                                "inference integral integer integers "
                                "invariant isomorphic jurisdiction kernel kinetic kubernetes "
                                "latency liability linear logarithm matrix "
                                "mechanism membrane microservice microservices migration modulo "
                                "module molecular molecule momentum "
                                "monetary mutation mutex neural neuron normalization nucleus "
                                "numerator optimisation optimization optimize "
                                "orthogonal oxidation parallel parameter parameters partition "
                                "permutation pharmacology plaintiff polynomial "
                                "posterior probability protocol protein proton quantum quorum "
                                "radius recursion recursive regression regex "
                                "replication scalability scalar schema semantics sharding sql "
                                "stochastic statute symmetric synchronization "
                                "syntax tensor theorem thermodynamic thermodynamics thread "
                                "throughput topology torque tort transaction "
                                "transactions transformer variable variables variance vector "
                                "vectors velocity voltage wavelength";

static const char vague[] =
    "something somehow stuff thing things whatever maybe perhaps etc somewhat better "
    "best nice good interesting appropriate suitable optimal various several some";
static const char vague_phrases[] = "it depends;and so on;kind of;sort of;what do you think;as "
                                    "needed;or something;or so;if possible;";

static const char sequence[] =
    "first firstly second secondly third thirdly fourth then next afterwards finally "
    "lastly also additionally furthermore step steps each stage phase";
static const char sequence_phrases[] =
    "step by step;as well as;after that;in detail;trade offs;trade off;end to end;at the same time;"
    "one by one;";

static const char orders[] = "add analyze analyse answer argue arrange assess brainstorm build "
                             "calculate categorise categorize check choose "
                             "classify compare complete compose compute configure construct "
                             "contrast convert correct create critique debug "
                             "deduce define demonstrate derive describe design determine develop "
                             "discuss divide draft draw edit elaborate "
                             "estimate evaluate examine explain explore extract fill find fix "
                             "format formulate generate give group identify "
                             "illustrate imagine implement improve include infer interpret "
                             "investigate invent justify list make match modify "
                             "name optimize optimise organise organize outline paraphrase plan "
                             "point predict prepare present produce "
                             "propose prove provide rank rate recommend refactor remove replace "
                             "report rephrase respond return review revise "
                             "rewrite say select show simulate simplify sketch solve sort specify "
                             "state suggest summarise summarize tell "
                             "test trace transform translate use verify write";

static const char logic[] = "if unless therefore thus hence because whereas otherwise implies "
                            "imply implication assume assuming suppose "
                            "given every exactly neither nor either cannot contradiction necessary "
                            "sufficient prove proof proofs "
                            "consistent deduce infer conclude conclusion premise why whether "
                            "provided contradicts equivalent iff";
static const char logic_phrases[] = "if and only if;at least;at most;such that;for all;there "
                                    "exists;must be;only if;in order to;how many;"
                                    "prove that;explain why;it follows that;as long as;";

static const char constraints[] =
    "must only exactly without avoid ensure never always cannot limit maximum minimum "
    "required mandatory strictly except don't shouldn't mustn't shall";
static const char constraint_phrases[] = "at most;at least;no fewer "
                                         "than;less than;more than;fewer than;"
                                         "up to;do not;should not;should be;may not;make sure;be "
                                         "sure;must not;in the format;as json;in json;"
                                         "and nothing else;nothing but;";

static const char leads[] = "please then and also now next finally first lastly kindly just let's";
static const char lead_phrases[] =
    "can you;could you;will you;would you;help me;let us;you should;you must;you to;";

/* ---- German, French, Spanish, Italian, Portuguese: what has no other meaning in English ---- */

static const char more_orders[] =
    "analysiere berechne beschreibe bestimme beweise bewerte definiere diskutiere entwerfe "
    "entwickle entwirf erkläre "
    "erläutere erstelle fasse formuliere gib implementiere kürze leite löse nenne ordne plane "
    "prüfe schildere schreibe "
    "schreib übersetze überprüfe untersuche verbessere vergleiche zeige zähle zusammenfassen "
    "analyse analysez calcule calculez comparez conçois crée créez décris décrivez démontre "
    "démontrez développe donne "
    "donnez écris écrivez énumère énumérez évalue évaluez explique expliquez justifie justifiez "
    "montre montrez propose "
    "proposez prouve prouvez rédige rédigez résous résolvez résume résumez traduis traduisez "
    "vérifie vérifiez "
    "analiza calcula compara crea define demuestra describe desarrolla diseña elabora enumera "
    "escribe evalúa explica "
    "explícame implementa justifica muestra ordena propón redacta resuelve resume traduce verifica "
    "analizza calcola confronta definisci descrivi dimostra elenca mostra progetta proponi "
    "riassumi risolvi scrivi "
    "sviluppa spiega spiegami traduci valuta verifica "
    "analise calcule compare crie descreva desenvolva demonstre escreva explique implemente "
    "justifique liste mostre "
    "projete proponha resolva resuma traduza verifique";
static const char more_sequence[] =
    "zuerst zunächst danach anschließend schließlich zuletzt außerdem schritt schritte erstens "
    "zweitens drittens "
    "abord ensuite puis enfin étape étapes premièrement deuxièmement également "
    "primero segundo luego después finalmente además paso pasos "
    "innanzitutto dopo infine inoltre passo passi passaggio "
    "primeiro depois finalmente além etapa etapas";
static const char more_sequence_phrases[] =
    "schritt für schritt;étape par étape;paso a paso;passo dopo passo;passo a passo;por último;im "
    "detail;en détail;";
static const char more_logic[] =
    "wenn falls deshalb daher weil obwohl folglich angenommen beweis beweise widerspruch notwendig "
    "hinreichend genau "
    "warum jede jeder "
    "donc parce puisque sinon supposons preuve contradiction nécessaire suffisant pourquoi chaque "
    "entonces porque aunque suponga supongamos prueba contradicción necesario suficiente cada "
    "quindi perché poiché altrimenti supponiamo dimostrazione contraddizione necessario "
    "sufficiente ogni "
    "então portanto embora suponha prova contradição necessário suficiente";
static const char more_logic_phrases[] =
    "genau dann wenn;si et seulement si;si y solo si;se e solo se;se e somente se;für alle;pour "
    "tout;para todo;per ogni;";
static const char more_constraints[] =
    "muss müssen darf dürfen höchstens mindestens maximal ohne nur niemals vermeide "
    "doit doivent maximum minimum sans seulement jamais évite évitez "
    "debe deben máximo mínimo sin solamente nunca evita "
    "almeno deve devono massimo minimo senza soltanto mai evitare "
    "devem máximo mínimo sem somente nunca evite";
static const char more_constraint_phrases[] =
    "nicht mehr als;au plus;au moins;pas plus de;como máximo;al menos;no más de;al massimo;no "
    "máximo;pelo menos;";
static const char more_vague[] = "irgendwie irgendetwas irgendwas vielleicht ungefähr "
                                 "truc trucs chose choses environ "
                                 "algo quizás quizá cosas "
                                 "qualcosa forse magari roba "
                                 "talvez coisa coisas";
static const char more_leads[] = "puedes podrías puoi bitte dann und anschließend puis ensuite et "
                                 "luego después poi quindi depois então";
static const char more_lead_phrases[] =
    "kannst du;können sie;könnten sie;peux tu;pouvez vous;você pode;por favor;per favore;";
static const char more_technical[] =
    "algorithmus gleichung gleichungen datenbank wahrscheinlichkeit ableitung integral matrix "
    "vektor funktion "
    "verteilung komplexität hypothese laufzeit speicher "
    "algorithme équation équations probabilité dérivée intégrale matrice vecteur fonction théorème "
    "complexité "
    "algoritmo ecuación ecuaciones probabilidad derivada matriz función teorema complejidad "
    "equazione equazioni probabilità derivata funzione complessità teorema "
    "equação equações probabilidade função complexidade";

/* ---- Chinese and Japanese: words of two characters, and single ones that an order follows ---- */

static const char han_orders[] = "解释 解釋 说明 說明 説明 证明 證明 証明 分析 比较 比較 计算 計算 "
                                 "设计 設計 总结 總結 要約 翻译 翻譯 翻訳 列出 描述 "
                                 "评估 評估 評価 讨论 討論 推导 推導 实现 實現 実装 优化 優化 编写 "
                                 "撰写 生成 作成 概括 提取 抽出 改写 制定 求解";
static const char han_sequence[] = "首先 然后 然後 接着 接著 最后 最後 其次 此外 步骤 步驟 逐步 "
                                   "第一 第二 第三 まず 次に 手順 段階 分別";
static const char han_logic[] =
    "如果 因此 所以 因为 因為 假设 假設 当且 當且 必要 充分 矛盾 为何 為何 为什 為什 否则 否則 "
    "条件 條件 结论 結論 推理 仮定 なぜ もし";
static const char han_constraints[] =
    "必须 必須 至少 最多 不超 不要 只能 限制 以内 以內 不得 避免 确保 確保 ただ のみ";
static const char han_technical[] =
    "算法 方程 矩阵 矩陣 概率 機率 確率 定理 函数 函數 関数 积分 積分 导数 導數 微分 数据 據庫 "
    "变量 變量 変数 并发 架构 "
    "架構 协议 協議 量子 统计 統計 分布 线性 線性 線形 复杂 複雜 複雑 蛋白 向量";
static const char han_vague[] = "一些 某些 大概 差不 随便 隨便 东西 東西 适当 適當 適当";
static const char han_leads[] = "请 請 并 並 再";

const struct lexicon_list lexicon_lists[] = {
    {WORD_COMMON, usual_small},
    {WORD_COMMON, usual_a_d},
    {WORD_COMMON, usual_e_l},
    {WORD_COMMON, usual_m_r},
    {WORD_COMMON, usual_s_z},
    {WORD_TECHNICAL, technical},
    {WORD_VAGUE, vague},
    {WORD_VAGUE, vague_phrases},
    {WORD_SEQUENCE, sequence},
    {WORD_SEQUENCE, sequence_phrases},
    {WORD_ORDER, orders},
    {WORD_LOGIC, logic},
    {WORD_LOGIC, logic_phrases},
    {WORD_CONSTRAINT, constraints},
    {WORD_CONSTRAINT, constraint_phrases},
    {WORD_LEAD, leads},
    {WORD_LEAD, lead_phrases},
    {WORD_ORDER, more_orders},
    {WORD_SEQUENCE, more_sequence},
    {WORD_SEQUENCE, more_sequence_phrases},
    {WORD_LOGIC, more_logic},
    {WORD_LOGIC, more_logic_phrases},
    {WORD_CONSTRAINT, more_constraints},
    {WORD_CONSTRAINT, more_constraint_phrases},
    {WORD_VAGUE, more_vague},
    {WORD_LEAD, more_leads},
    {WORD_LEAD, more_lead_phrases},
    {WORD_TECHNICAL, more_technical},
    {WORD_ORDER, han_orders},
    {WORD_SEQUENCE, han_sequence},
    {WORD_LOGIC, han_logic},
    {WORD_CONSTRAINT, han_constraints},
    {WORD_TECHNICAL, han_technical},
    {WORD_VAGUE, han_vague},
    {WORD_LEAD, han_leads},
    {0, NULL},
};
