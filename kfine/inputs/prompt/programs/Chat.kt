// Talk with model.litertlm on Android. Needs, in build.gradle.kts:
//     implementation("com.google.ai.edge.litertlm:litertlm-android:latest.release")
//
// Copy the model out of the APK once, or download it, and give its path:
//     val chat = Chat(File(context.filesDir, "model.litertlm").path, context.cacheDir.path)
//     chat.reply("What is this?").collect { piece -> append(piece) }
//
// Loading takes seconds: make a Chat off the main thread, keep it, and close it in the end.

import com.google.ai.edge.litertlm.Backend
import com.google.ai.edge.litertlm.Engine
import com.google.ai.edge.litertlm.EngineConfig
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.map

/** One conversation, which it remembers. */
class Chat(modelPath: String, cacheDir: String) : AutoCloseable {
    private val engine =
        Engine(EngineConfig(modelPath = modelPath, backend = Backend.CPU(), cacheDir = cacheDir))
            .apply { initialize() }
    private val conversation = engine.createConversation()

    /** The pieces of a reply, as they are written. */
    fun reply(text: String): Flow<String> = conversation.sendMessageAsync(text).map { "$it" }

    override fun close() {
        conversation.close()
        engine.close()
    }
}
